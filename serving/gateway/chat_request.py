"""A chat request as clients write it: messages, parts, tools, formats, thought, output."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from serving.gateway.sampling import MAX_INT, Sampling, TokenId

Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]
MAX_METADATA: Final = 16
WITHOUT_EFFECT: Final = "Accepted, without effect"


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """A piece of text."""

    text: str


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    """An earlier refusal of the assistant's, kept in the history."""

    refusal: str


class ImageUrl(msgspec.Struct, omit_defaults=True):
    """Where a picture is."""

    url: Annotated[str, Meta(description="https: or data:image/…;base64,")]
    detail: (
        Annotated[
            Literal["auto", "low", "high", "original"],
            Meta(description=f"{WITHOUT_EFFECT}: the model sees every picture in full"),
        ]
        | None
    ) = None


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    """A picture."""

    image_url: ImageUrl


class VideoUrl(msgspec.Struct):
    """Where a video is."""

    url: Annotated[str, Meta(description="https: or data:video/…;base64,")]


class VideoPart(msgspec.Struct, tag_field="type", tag="video_url"):
    """A video."""

    video_url: VideoUrl


Part = TextPart | ImagePart | VideoPart | RefusalPart
Content = str | list[Part]


class FunctionCall(msgspec.Struct):
    """What an earlier answer called."""

    name: str
    arguments: Annotated[str, Meta(description="A JSON object, as text")] = "{}"


class ToolCall(msgspec.Struct):
    """One call of an earlier answer."""

    function: FunctionCall
    id: str = ""
    type: Literal["function"] = "function"


class Thoughtless(msgspec.Struct, kw_only=True):
    """A message that holds no thought: only the assistant's do, and elsewhere one is a mistake."""

    reasoning: None = None
    reasoning_content: None = None
    reasoning_details: None = None


class SystemMessage(Thoughtless, tag_field="role", tag="system", kw_only=True):
    """Standing instructions."""

    content: Content
    name: str | None = None


class DeveloperMessage(SystemMessage, tag="developer"):
    """Standing instructions, by OpenAI's newer name."""


class UserMessage(Thoughtless, tag_field="role", tag="user", kw_only=True):
    """A question."""

    content: Content
    name: str | None = None


class ReasoningDetail(msgspec.Struct, omit_defaults=True):
    """A piece of an earlier thought, in OpenRouter's form."""

    type: str = "reasoning.text"
    text: str | None = None
    summary: str | None = None


class AssistantMessage(msgspec.Struct, tag_field="role", tag="assistant", kw_only=True):
    """An earlier answer, with its thought if the client kept it."""

    content: Content | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    refusal: str | None = None

    @property
    def thought(self) -> str | None:
        """Return the thought from whichever field holds it."""
        details = "".join(d.text or d.summary or "" for d in self.reasoning_details or ())
        return self.reasoning or self.reasoning_content or details or None


class ToolMessage(Thoughtless, tag_field="role", tag="tool", kw_only=True):
    """What a tool returned."""

    content: Content
    tool_call_id: str | None = None
    name: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Function(msgspec.Struct, omit_defaults=True):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: (
        Annotated[dict[str, Any], Meta(description="A JSON schema of type object")] | None
    ) = None
    strict: bool | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for parameters that no call's arguments could be."""
        kind = (self.parameters or {}).get("type", "object")
        if isinstance(kind, str) and kind != "object":
            raise ValueError(f"Expected parameters of type object, got a schema of {kind[:64]}")


class Tool(msgspec.Struct):
    """A tool; functions are served."""

    function: Function
    type: Literal["function"] = "function"


class NamedFunction(msgspec.Struct):
    """The function that must be called."""

    name: str


class NamedTool(msgspec.Struct):
    """A choice of one tool by its name."""

    function: NamedFunction
    type: Literal["function"] = "function"


class JsonSchema(msgspec.Struct, omit_defaults=True):
    """The schema that an answer keeps."""

    name: Name
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextFormat(msgspec.Struct, tag_field="type", tag="text"):
    """Free text."""


class JsonObjectFormat(msgspec.Struct, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema"):
    """JSON that keeps a schema."""

    json_schema: JsonSchema


Format = TextFormat | JsonObjectFormat | JsonSchemaFormat


class Reasoning(msgspec.Struct):
    """How long to think, and who sees it, in OpenRouter's form."""

    effort: Annotated[Effort, Meta(description="Share of max_tokens for the thought")] | None = None
    max_tokens: Annotated[int, Meta(ge=0, description="The thought's budget in tokens")] | None = (
        None
    )
    exclude: Annotated[bool, Meta(description="Think, but do not show it")] | None = None
    enabled: Annotated[bool, Meta(description="true alone: medium effort")] | None = None


class StreamOptions(msgspec.Struct):
    """What a stream ends with."""

    include_usage: (
        Annotated[bool, Meta(description="End a /v1 stream with its usage; /api/v1 always does")]
        | None
    ) = None


class StructuredOutputs(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One of vLLM's grammars, which the answer keeps from the end of the thought on."""

    json: Annotated[dict[str, Any] | str, Meta(description="A JSON schema")] | None = None
    regex: Annotated[str, Meta(description="A regular expression")] | None = None
    choice: Annotated[list[str], Meta(min_length=1, description="One of these texts")] | None = None
    grammar: Annotated[str, Meta(description="A context-free grammar in EBNF")] | None = None
    json_object: Annotated[bool, Meta(description="true: any JSON object")] | None = None
    structural_tag: Annotated[str, Meta(description="xgrammar's structural tag")] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless one grammar is there."""
        names = self.__struct_fields__
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Expected one of {', '.join(names)}")


class Shared(Sampling, kw_only=True):
    """Fields that chat, plain completions and responses share beside sampling."""

    model: (
        Annotated[str, Meta(description="One of the names of the served model; none: that model")]
        | None
    ) = None
    stream: Annotated[bool, Meta(description="Answer as server-sent events")] | None = None
    thinking_token_budget: (
        Annotated[
            int,
            Meta(
                ge=-1,
                le=MAX_INT,
                description="vLLM's name of reasoning.max_tokens; -1: no limit",
            ),
        ]
        | None
    ) = None
    structured_outputs: (
        Annotated[
            StructuredOutputs | bool,
            Meta(description="A grammar for the answer; a boolean has no effect"),
        ]
        | None
    ) = None
    user: Annotated[str, Meta(description=WITHOUT_EFFECT)] | None = None
    metadata: (
        Annotated[
            dict[str, Annotated[str, Meta(max_length=512)]],
            Meta(max_length=MAX_METADATA, description=WITHOUT_EFFECT),
        ]
        | None
    ) = None


class Generation(Shared, kw_only=True):
    """Fields that chat and plain completions alone share beside those."""

    stream_options: StreamOptions | None = None
    max_tokens: (
        Annotated[int, Meta(ge=1, description="Output tokens, thought and answer together")] | None
    ) = None


class ChatRequest(Generation, kw_only=True):
    """POST /chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1, description="The conversation so far")]
    max_completion_tokens: (
        Annotated[int, Meta(ge=1, description="OpenAI's newer name of max_tokens; it wins")] | None
    ) = None
    reasoning: Reasoning | None = None
    reasoning_effort: (
        Annotated[Effort, Meta(description="OpenAI's name of reasoning.effort")] | None
    ) = None
    include_reasoning: Annotated[bool, Meta(description="false is reasoning.exclude")] | None = None
    response_format: (
        Annotated[Format, Meta(description="What the answer is: text, JSON, or JSON of a schema")]
        | None
    ) = None
    tools: (
        Annotated[
            list[Tool],
            Meta(min_length=1, max_length=128, description="Functions that may be called"),
        ]
        | None
    ) = None
    tool_choice: (
        Annotated[
            Literal["none", "auto", "required"] | NamedTool,
            Meta(description="Whether a tool may, must or must not be called, and which"),
        ]
        | None
    ) = None
    parallel_tool_calls: (
        Annotated[bool, Meta(description="false: the first call alone is returned")] | None
    ) = None
    logprobs: Annotated[bool, Meta(description="Return the tokens' log probabilities")] | None = (
        None
    )
    top_logprobs: (
        Annotated[int, Meta(ge=0, le=20, description="So many likeliest tokens, with logprobs")]
        | None
    ) = None

    @property
    def offered_tools(self) -> list[Tool]:
        """Return the tools the model is shown; what must not be called would tempt it.

        A call that must come keeps its tool's schema unless the client says otherwise: the engine
        alone would then take any JSON for arguments.
        """
        tools = [] if self.tool_choice == "none" else self.tools or []
        if self.tool_choice in (None, "auto"):
            return tools
        return [_bound(tool) if tool.function.strict is None else tool for tool in tools]

    @property
    def grammar(self) -> str | None:
        """Name the field that holds the answer to a grammar, if one does."""
        if isinstance(self.structured_outputs, StructuredOutputs):
            return "structured_outputs"
        if isinstance(self.response_format, JsonObjectFormat | JsonSchemaFormat):
            return "response_format"
        must_call = self.tool_choice not in (None, "auto")
        bound = any(must_call or tool.function.strict for tool in self.offered_tools)
        return "tools" if bound else None


def _bound(tool: Tool) -> Tool:
    return Tool(msgspec.structs.replace(tool.function, strict=True))


Prompt = Annotated[str, Meta(min_length=1)]
TokenIds = Annotated[list[TokenId], Meta(min_length=1)]


class CompletionRequest(Generation, kw_only=True):
    """POST /completions."""

    prompt: Annotated[
        Prompt | Annotated[list[Prompt | TokenId | TokenIds], Meta(min_length=1)],
        Meta(description="Text, token ids, or several of either"),
    ]
    suffix: Annotated[None, Meta(description="Refused: this model cannot fill in")] = None
    echo: Annotated[bool, Meta(description="Begin each text with its prompt")] | None = None
    logprobs: (
        Annotated[int, Meta(ge=0, le=20, description="So many likeliest tokens beside each chosen")]
        | None
    ) = None
