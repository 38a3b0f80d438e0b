"""How answers are shown: what every dialect's view offers, and what it knows of the request."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from serving.gateway.answer import Usage
from serving.gateway.errors import GatewayError

# The engine has ways to end that no dialect knows; a repetition it broke off is an end like stop.
FINISH_REASONS: Final = {"abort": "error", "repetition": "stop"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a view needs to know of the request it answers."""

    request_id: str
    model: str
    created: int
    hide_thought: bool = False

    @property
    def short_id(self) -> str:
        """Return the request's id without its own prefix, as the tail of other ids."""
        return self.request_id.removeprefix("req_")


class View(Protocol):
    """Shows one answer in one dialect, whole or as a stream."""

    comment: bytes
    """What is sent when the client has heard nothing for long."""

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return the engine's JSON answer in this dialect's form."""

    def events(self, block: bytes) -> bytes:
        """Return what some whole events of the engine's stream become."""

    def end(self, usage: Usage | None) -> bytes:
        """Return what ends a stream that went well."""

    def error(self, error: GatewayError) -> bytes:
        """Return what ends a stream that broke."""


def openai_usage(usage: Usage) -> dict[str, Any]:
    """Return usage in OpenAI's form, with what it has no field for beside it."""
    prompt_details: dict[str, Any] = {"cached_tokens": usage.cached}
    for kind in ("image", "video"):
        if count := usage.media(kind):
            prompt_details[f"{kind}_tokens"] = count
    completion_details: dict[str, Any] = {"reasoning_tokens": usage.reasoning}
    if usage.reasoning_budget_hit:
        completion_details["reasoning_budget_hit"] = True
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt_tokens + usage.output,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": completion_details,
    }


def openrouter_usage(usage: Usage) -> dict[str, Any]:
    """Return usage in OpenRouter's form, with the cost in USD."""
    return {
        **openai_usage(usage),
        "cost": usage.cost,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": usage.prompt_cost,
            "upstream_inference_completions_cost": usage.completion_cost,
        },
    }
