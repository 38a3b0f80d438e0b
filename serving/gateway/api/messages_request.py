"""A Messages request as Anthropic's clients write it: turns of blocks, tools, thinking, output."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from serving.gateway.chat_request import TextPart
from serving.gateway.sampling import MAX_STOPS

MIN_BUDGET_TOKENS: Final = 1024
MAX_TOOLS: Final = 128


class SystemText(TextPart, tag="text"):
    """A piece of standing instructions."""


class Base64Source(msgspec.Struct, tag_field="type", tag="base64"):
    """A picture inside the request."""

    media_type: Annotated[
        Literal["image/png", "image/jpeg", "image/webp", "image/gif"],
        Meta(description="The picture's own first bytes decide"),
    ]
    data: Annotated[str, Meta(description="Base64, padded and without line breaks")]


class UrlSource(msgspec.Struct, tag_field="type", tag="url"):
    """A picture on the web."""

    url: Annotated[str, Meta(description="https:")]


class ImageBlock(msgspec.Struct, tag_field="type", tag="image"):
    """A picture."""

    source: Base64Source | UrlSource


class ToolResultBlock(msgspec.Struct, tag_field="type", tag="tool_result", kw_only=True):
    """What a tool returned."""

    tool_use_id: str
    content: str | list[TextPart | ImageBlock] | None = None
    is_error: (
        Annotated[bool, Meta(description="The model reads the content behind 'Error: '")] | None
    ) = None


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    """What an earlier answer called."""

    id: str
    name: str
    input: dict[str, Any]


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """An earlier thought; any signature is accepted."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """An earlier thought that only Anthropic can read; ignored."""

    data: str = ""


class UserTurn(msgspec.Struct, tag_field="role", tag="user"):
    """A question, or the results of the tools that the last answer called."""

    content: str | Annotated[list[TextPart | ImageBlock | ToolResultBlock], Meta(min_length=1)]


class AssistantTurn(msgspec.Struct, tag_field="role", tag="assistant"):
    """An earlier answer."""

    content: str | list[TextPart | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock]


class SystemTurn(msgspec.Struct, tag_field="role", tag="system"):
    """Instructions given on the way."""

    content: str | list[SystemText]


class CustomTool(msgspec.Struct, kw_only=True):
    """A tool that the model may call and the client runs."""

    name: Annotated[str, Meta(min_length=1, max_length=128, pattern="^[a-zA-Z0-9_-]+$")]
    input_schema: Annotated[dict[str, Any], Meta(description="A JSON schema of type object")]
    description: str | None = None
    strict: bool | None = None
    type: Literal["custom"] | None = None


class AutoChoice(msgspec.Struct, tag_field="type", tag="auto", kw_only=True):
    """The model decides whether to call."""

    disable_parallel_tool_use: Annotated[bool, Meta(description="One call at most")] | None = None


class AnyChoice(AutoChoice, tag="any"):
    """Some tool must be called."""


class NamedChoice(AutoChoice, tag="tool"):
    """This tool must be called."""

    name: str


class NoChoice(msgspec.Struct, tag_field="type", tag="none"):
    """No tool may be called."""


class ThinkingAdaptive(msgspec.Struct, tag_field="type", tag="adaptive", kw_only=True):
    """Show the thought; output_config.effort says how long it may be."""

    display: (
        Annotated[
            Literal["summarized", "omitted"],
            Meta(description="omitted: an empty thinking block; else the thought in full"),
        ]
        | None
    ) = None


class ThinkingEnabled(ThinkingAdaptive, tag="enabled"):
    """Show the thought, and end it after so many tokens."""

    budget_tokens: Annotated[int, Meta(ge=MIN_BUDGET_TOKENS, description="Less than max_tokens")]


class ThinkingDisabled(msgspec.Struct, tag_field="type", tag="disabled"):
    """No thought; refused where the model always thinks."""


Thinking = ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled


class AnswerFormat(msgspec.Struct):
    """JSON that keeps a schema."""

    schema: dict[str, Any]
    type: Literal["json_schema"]


class OutputConfig(msgspec.Struct):
    """How long the thought may be, and the form of the answer."""

    effort: (
        Annotated[
            Literal["max", "xhigh", "high", "medium", "low"],
            Meta(description="Share of max_tokens for the thought; thinking.budget_tokens wins"),
        ]
        | None
    ) = None
    format: AnswerFormat | None = None


class CountTokensRequest(msgspec.Struct, kw_only=True):
    """POST /messages/count_tokens: what a prompt is made of."""

    messages: Annotated[
        list[UserTurn | AssistantTurn | SystemTurn],
        Meta(min_length=1, description="The conversation so far"),
    ]
    model: (
        Annotated[str, Meta(description="One of the names of the served model; none: that model")]
        | None
    ) = None
    system: Annotated[str | list[SystemText], Meta(description="Standing instructions")] | None = (
        None
    )
    tools: (
        Annotated[
            list[CustomTool],
            Meta(max_length=MAX_TOOLS, description="Tools that may be called"),
        ]
        | None
    ) = None
    tool_choice: (
        Annotated[
            AutoChoice | AnyChoice | NamedChoice | NoChoice,
            Meta(description="Whether a tool may, must or must not be called, and which"),
        ]
        | None
    ) = None
    thinking: (
        Annotated[Thinking, Meta(description="Left out: the model thinks, and does not show it")]
        | None
    ) = None
    output_config: OutputConfig | None = None


class MessagesRequest(CountTokensRequest, kw_only=True):
    """POST /messages."""

    max_tokens: Annotated[int, Meta(ge=1, description="Output tokens, thought and answer together")]
    stop_sequences: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=256)]],
            Meta(max_length=MAX_STOPS, description="They end the answer, never the thought"),
        ]
        | None
    ) = None
    stream: Annotated[bool, Meta(description="Answer as server-sent events")] | None = None
    temperature: (
        Annotated[float, Meta(ge=0, le=2, description="0 takes the likeliest token")] | None
    ) = None
    top_p: (
        Annotated[float, Meta(ge=0, le=1, description="Share of probability that is sampled from")]
        | None
    ) = None
    top_k: (
        Annotated[int, Meta(ge=0, description="Likeliest tokens sampled from; 0: all")] | None
    ) = None
