"""What the engine answers: whole messages, stream events and usage, as far as we read them."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from serving.gateway.timeline import EngineTimes

NULL: Final = Raw(b"null")
# Of USD: far below a cent's millionth; keeps 0.1 + 0.2 out of answers.
COST_DIGITS: Final = 12


class PromptDetails(msgspec.Struct):
    """What the prompt's tokens were, as far as the engine says."""

    cached_tokens: int | None = None
    multimodal_tokens: dict[str, int] | None = None


class CompletionDetails(msgspec.Struct):
    """What the output's tokens were, as far as the engine says."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """The engine's own count of tokens; `cost` in USD and the budget's verdict are ours.

    Beside it stand the engine's own times, where it tells them.
    """

    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cost: float = 0.0
    completion_cost: float = 0.0
    reasoning_budget_hit: bool = False
    times: EngineTimes | None = None

    @property
    def output(self) -> int:
        """Return the output's tokens, thought and answer."""
        return self.completion_tokens or 0

    @property
    def reasoning(self) -> int:
        """Return the thought's tokens."""
        details = self.completion_tokens_details
        return (details and details.reasoning_tokens) or 0

    @property
    def cached(self) -> int:
        """Return the prompt's tokens that the prefix cache held."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0

    @property
    def cost(self) -> float:
        """Return the price of the whole in USD."""
        return round(self.prompt_cost + self.completion_cost, COST_DIGITS)

    def media(self, kind: str) -> int:
        """Return the prompt's tokens that are pictures ("image") or videos ("video")."""
        details = self.prompt_tokens_details
        return ((details and details.multimodal_tokens) or {}).get(kind, 0)


class CalledFunction(msgspec.Struct):
    """A call's name and its arguments as JSON text; within a stream, a piece of them."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, omit_defaults=True):
    """A tool call of the model's; within a stream, a piece of the call with this index."""

    function: CalledFunction
    id: str | None = None
    type: str = "function"
    index: int = 0


class Said(msgspec.Struct):
    """The message of a whole answer."""

    content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct):
    """One answer to the question."""

    message: Said
    index: int = 0
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    logprobs: Any = None
    token_ids: list[int] | None = None


class Answer(msgspec.Struct):
    """All that the engine returned for one chat request."""

    choices: list[Choice]


class Delta(msgspec.Struct):
    """What a stream event adds: JSON strings, still encoded, and pieces of calls."""

    reasoning: Raw = NULL
    content: Raw = NULL
    tool_calls: list[Call] | None = None


class StreamChoice(msgspec.Struct):
    """What a stream event adds to one of the answers."""

    delta: Delta
    index: int = 0
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    logprobs: Any = None
    token_ids: list[int] | None = None


class Event(msgspec.Struct):
    """One event of the engine's stream."""

    choices: list[StreamChoice]


def said(raw: Raw) -> bool:
    """Tell whether an event's JSON string holds any text; null and "" do not."""
    return len(memoryview(raw)) > 2 and raw != NULL


def text_of(raw: Raw) -> str:
    """Decode a JSON string that was cut out of an event; null is empty."""
    text: str | None = msgspec.json.decode(raw)
    return text or ""
