"""What messages and count_tokens answer with: types for the document alone."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serving.gateway.docs.chat_answers import COST, CostDetails


class TextBlockSaid(msgspec.Struct, tag_field="type", tag="text"):
    """The answer."""

    text: str


class ThinkingBlockShown(msgspec.Struct, tag_field="type", tag="thinking"):
    """The thought; empty where thinking.display is omitted."""

    thinking: str
    signature: str


class ToolUseBlockMade(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A call for the client to run."""

    id: str | None
    name: str | None
    input: dict[str, Any]


class OutputTokens(msgspec.Struct):
    """What the output's tokens were."""

    thinking_tokens: int
    reasoning_budget_hit: (
        Annotated[bool, Meta(description="true where the budget ended the thought")] | UnsetType
    ) = UNSET


class MessageUsage(msgspec.Struct):
    """The engine's own count of tokens."""

    input_tokens: Annotated[int, Meta(description="Prompt tokens that no cache held")]
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokens


class OpenRouterMessageUsage(MessageUsage):
    """The engine's own count of tokens, and what they cost."""

    cost: Annotated[float, Meta(description=COST)]
    is_byok: bool
    cost_details: CostDetails


class MessageAnswer(msgspec.Struct):
    """A whole answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[TextBlockSaid | ThinkingBlockShown | ToolUseBlockMade]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
    stop_sequence: str | None
    usage: MessageUsage


class OpenRouterMessageAnswer(msgspec.Struct):
    """A whole answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[TextBlockSaid | ThinkingBlockShown | ToolUseBlockMade]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
    stop_sequence: str | None
    usage: OpenRouterMessageUsage


class MessageEvent(msgspec.Struct):
    """One event of a stream, named by its type; message_stop or error is the last.

    message_start and message_delta hold the message and its end; content_block_start, _delta and
    _stop hold the blocks between.
    """

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ]


class TokenCount(msgspec.Struct):
    """The prompt's exact tokens."""

    input_tokens: int
