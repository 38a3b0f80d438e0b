"""What responses answer with: types for the document alone."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serving.gateway.docs.chat_answers import COST, CompletionTokens

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class SaidText(msgspec.Struct):
    """The answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class MessageSaid(msgspec.Struct, tag_field="type", tag="message"):
    """The answer's item."""

    id: str
    status: ItemStatus
    role: Literal["assistant"]
    content: list[SaidText]


class ThoughtText(msgspec.Struct):
    """The thought."""

    type: Literal["reasoning_text"]
    text: str


class ReasoningShown(msgspec.Struct, tag_field="type", tag="reasoning"):
    """The thought's item; without content where it is hidden."""

    id: str
    status: ItemStatus
    summary: list[Any]
    content: list[ThoughtText]


class FunctionCallMade(msgspec.Struct, tag_field="type", tag="function_call"):
    """A call for the client to run."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


class InputTokens(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int
    cache_write_tokens: int
    image_tokens: int | UnsetType = UNSET
    video_tokens: int | UnsetType = UNSET


class ResponseUsage(msgspec.Struct):
    """The engine's own count of tokens; /api/v1 adds what they cost."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: CompletionTokens
    total_tokens: int
    cost: Annotated[float, Meta(description=COST)] | UnsetType = UNSET
    is_byok: bool | UnsetType = UNSET
    cost_details: dict[str, Any] | UnsetType = UNSET


class IncompleteDetails(msgspec.Struct):
    """Why an answer is cut."""

    reason: Literal["max_output_tokens"]


class ResponseAnswer(msgspec.Struct):
    """A whole response, with what it repeats of its request."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "failed", "in_progress"]
    model: str
    output: list[ReasoningShown | MessageSaid | FunctionCallMade]
    usage: ResponseUsage | None
    error: dict[str, Any] | None
    incomplete_details: IncompleteDetails | None
    completed_at: int | None
    store: Annotated[bool, Meta(description="false: nothing is kept")]
    previous_response_id: None


class ResponseEvent(msgspec.Struct):
    """One event of a stream, named by its type; the last is response.completed, .incomplete or
    .failed and holds the whole response.
    """

    type: Annotated[str, Meta(pattern="^response[.]")]
    sequence_number: int
