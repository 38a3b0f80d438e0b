"""Decides how many tokens a request may produce, and how many of them may be thought."""

from dataclasses import dataclass
from typing import Final

import msgspec

from serving.gateway.budget import SHARES, thinking_budget
from serving.gateway.errors import BadRequest
from serving.gateway.fields import Fields, read_field
from serving.options import GatewaySettings

# With less room than this by the upper bound, the engine's exact count is the better judge.
MIN_REST_TOKENS: Final = 1024
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Limits sent to the engine; None leaves the decision to it."""

    max_tokens: int | None
    thinking_token_budget: int | None


class Reasoning(msgspec.Struct):
    """What a client asks about the thought."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool = False
    enabled: bool | None = None


def plan_output(
    fields: Fields, *, limits: GatewaySettings, thinks: bool, rest_tokens: int | None
) -> OutputPlan:
    """Return the limits of one request; raises BadRequest for what cannot hold.

    `rest_tokens` is what the context surely leaves for output, None where that is not known.
    """
    max_tokens = asked_tokens(fields, limits.max_output_tokens)
    if max_tokens is None:
        rest = limits.max_output_tokens if rest_tokens is None else rest_tokens
        max_tokens = min(limits.max_output_tokens, rest) if rest >= MIN_REST_TOKENS else None
    return OutputPlan(max_tokens, _budget(fields, limits, thinks, max_tokens or MIN_REST_TOKENS))


def asked_tokens(fields: Fields, max_output_tokens: int) -> int | None:
    """Return the client's own limit, None where it set none."""
    name = "max_completion_tokens" if "max_completion_tokens" in fields else "max_tokens"
    asked = read_field(fields, name, int)
    if asked is None:
        return None
    if asked < 1:
        raise BadRequest(f"'{name}' must be at least 1.", code="invalid_value", param=name)
    if asked > max_output_tokens:
        raise BadRequest(
            f"'{name}' is {asked}; this server's limit is {max_output_tokens}.",
            code="max_tokens_exceeded",
            param=name,
        )
    return asked


def _budget(fields: Fields, limits: GatewaySettings, thinks: bool, max_tokens: int) -> int | None:
    budget = read_field(fields, "thinking_token_budget", int)
    reasoning = read_field(fields, "reasoning", Reasoning) or Reasoning()
    effort = _effort(fields, reasoning)
    if not thinks:
        if budget is not None:
            raise _refused("This model does not think.", "thinking_token_budget")
        return None
    if reasoning.exclude or read_field(fields, "include_reasoning", bool) is False:
        raise _refused("This server does not hide the thought yet.", "reasoning")
    if reasoning.enabled is False or effort == "none":
        raise _refused("This model always thinks; lower the effort instead.", "reasoning")
    if budget is not None:
        if budget < UNLIMITED:
            raise _refused("'thinking_token_budget' must be 0 or more.", "thinking_token_budget")
        return budget
    if reasoning.max_tokens is not None:
        return _asked_budget(reasoning.max_tokens, max_tokens)
    share = SHARES[effort] if effort else limits.default_thinking_share
    return thinking_budget(max_tokens, share)


def _effort(fields: Fields, reasoning: Reasoning) -> str | None:
    flat = read_field(fields, "reasoning_effort", str)
    if flat and reasoning.effort and flat != reasoning.effort:
        raise _refused("'reasoning_effort' and 'reasoning.effort' differ.", "reasoning_effort")
    effort = reasoning.effort or flat
    if effort is None and reasoning.enabled and reasoning.max_tokens is None:
        return "medium"
    if effort is not None and effort != "none" and effort not in SHARES:
        raise _refused(f"The effort must be one of {', '.join(SHARES)}.", "reasoning")
    return effort


def _asked_budget(budget: int, max_tokens: int) -> int:
    if not 0 <= budget < max_tokens:
        raise _refused(
            f"'reasoning.max_tokens' is {budget}; it must be less than the output limit, which is "
            f"{max_tokens} here, or nothing is left for the answer.",
            "reasoning.max_tokens",
        )
    return budget


def _refused(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param=param)
