"""Decides how many tokens a request may produce, and how many of them may be thought."""

from dataclasses import dataclass
from typing import Final

from serving.gateway.budget import SHARES, thinking_budget
from serving.gateway.chat_request import ChatRequest, Generation, Reasoning
from serving.gateway.errors import BadRequest
from serving.gateway.reading import invalid
from serving.options import GatewaySettings

UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Limits sent to the engine; no budget where there is no thought, or no limit of it."""

    max_tokens: int
    thinking_token_budget: int | None


def plan_output(
    request: ChatRequest,
    *,
    limits: GatewaySettings,
    thinks: bool,
    context: int,
    rest_tokens: int,
) -> OutputPlan:
    """Return the limits of one request; raises BadRequest for what cannot hold.

    `rest_tokens` is what the context leaves for output.
    """
    max_tokens = asked_tokens(request, limits.max_output_tokens)
    if (max_tokens or 1) > rest_tokens:
        raise BadRequest(
            # Clients know this error by OpenAI's first words, too.
            f"This model's maximum context length is {context} tokens. The prompt takes "
            f"{context - rest_tokens} of them, and {max_tokens or 1} are asked for as output. "
            "Shorten the prompt or lower max_tokens.",
            code="context_length_exceeded",
            param="messages",
        )
    max_tokens = max_tokens or min(limits.max_output_tokens, rest_tokens)
    return OutputPlan(max_tokens, _budget(request, limits, thinks, max_tokens))


def asked_tokens(request: Generation, max_output_tokens: int) -> int | None:
    """Return the client's own limit, None where it set none."""
    name = "max_completion_tokens"
    asked = getattr(request, name, None)
    if asked is None:
        name, asked = "max_tokens", request.max_tokens
    if asked is not None and asked > max_output_tokens:
        raise BadRequest(
            f"'{name}' is {asked}; this server's limit is {max_output_tokens}.",
            code="max_tokens_exceeded",
            param=name,
        )
    return asked


def hides_thought(request: ChatRequest) -> bool:
    """Tell whether the client wants the thought thought but not shown."""
    exclude = request.reasoning.exclude if request.reasoning else None
    return request.include_reasoning is False if exclude is None else exclude


def _budget(
    request: ChatRequest, limits: GatewaySettings, thinks: bool, max_tokens: int
) -> int | None:
    reasoning = request.reasoning or Reasoning()
    budget, effort = request.thinking_token_budget, _effort(request, reasoning)
    if not thinks:
        if budget is not None:
            raise invalid("This model does not think.", "thinking_token_budget")
        return None
    if reasoning.enabled is False or effort == "none":
        raise invalid(
            "This model always thinks; lower the effort, or hide the thought with "
            "reasoning.exclude.",
            "reasoning",
        )
    if budget is not None:
        return None if budget == UNLIMITED else budget
    if reasoning.max_tokens is not None:
        return _asked_budget(reasoning.max_tokens, max_tokens)
    share = SHARES[effort] if effort else limits.default_thinking_share
    return thinking_budget(max_tokens, share)


def _effort(request: ChatRequest, reasoning: Reasoning) -> str | None:
    flat = request.reasoning_effort
    if flat and reasoning.effort and flat != reasoning.effort:
        raise invalid("'reasoning_effort' and 'reasoning.effort' differ.", "reasoning_effort")
    effort = reasoning.effort or flat
    if effort is None and reasoning.enabled and reasoning.max_tokens is None:
        return "medium"
    return effort


def _asked_budget(budget: int, max_tokens: int) -> int:
    if budget >= max_tokens:
        raise invalid(
            f"'reasoning.max_tokens' is {budget}; it must be less than the output limit, which is "
            f"{max_tokens} here, or nothing is left for the answer.",
            "reasoning.max_tokens",
        )
    return budget
