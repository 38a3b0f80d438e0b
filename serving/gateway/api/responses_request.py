"""A request for a response as OpenAI's clients write it: items, tools, text, reasoning, output."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw

from serving.gateway.chat_request import (
    WITHOUT_EFFECT,
    Function,
    JsonObjectFormat,
    JsonSchema,
    Reasoning,
    RefusalPart,
    Shared,
    TextFormat,
)

NOT_KEPT: Final = "Refused: this server keeps nothing between requests"
LOGPROBS: Final = "message.output_text.logprobs"
MAX_TOOLS: Final = 128


class InputText(msgspec.Struct, tag_field="type", tag="input_text"):
    """A piece of text."""

    text: str


class OutputText(msgspec.Struct, tag_field="type", tag="output_text"):
    """A piece of an earlier answer."""

    text: str


class InputImage(msgspec.Struct, tag_field="type", tag="input_image", kw_only=True):
    """A picture."""

    image_url: Annotated[str, Meta(description="https: or data:image/…;base64,")] | None = None
    file_id: Annotated[str, Meta(description="Refused: this server keeps no files")] | None = None
    detail: (
        Annotated[Literal["auto", "low", "high", "original"], Meta(description=WITHOUT_EFFECT)]
        | None
    ) = None


class InputVideo(msgspec.Struct, tag_field="type", tag="input_video"):
    """A video, as OpenRouter writes it."""

    video_url: Annotated[str, Meta(description="https: or data:video/…;base64,")]


Part = InputText | OutputText | RefusalPart | InputImage | InputVideo


class MessageItem(msgspec.Struct, tag_field="type", tag="message"):
    """A message; the type of an item that names none."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part] | None


class FunctionCallItem(msgspec.Struct, tag_field="type", tag="function_call"):
    """What an earlier answer called."""

    call_id: str
    name: str
    arguments: Annotated[str, Meta(description="A JSON object, as text")]


class FunctionCallOutputItem(msgspec.Struct, tag_field="type", tag="function_call_output"):
    """What a function returned."""

    call_id: str
    output: str | list[Part]


class ReasoningText(msgspec.Struct, tag_field="type", tag="reasoning_text"):
    """A piece of a thought."""

    text: str


class SummaryText(msgspec.Struct, tag_field="type", tag="summary_text"):
    """A piece of a thought's summary."""

    text: str


class ReasoningItem(msgspec.Struct, tag_field="type", tag="reasoning"):
    """An earlier thought, before the message or the calls that it led to."""

    content: list[ReasoningText] | None = None
    summary: Annotated[list[SummaryText], Meta(description="Read without content")] | None = None

    @property
    def thought(self) -> str:
        """Return the thought in the words that are there; one that is encrypted has none."""
        return "".join(part.text for part in self.content or self.summary or ())


Item = MessageItem | FunctionCallItem | FunctionCallOutputItem | ReasoningItem


class FunctionTool(Function, tag_field="type", tag="function", omit_defaults=False):
    """A function that the model may call and the client runs."""


class NamedFunctionTool(msgspec.Struct, tag_field="type", tag="function"):
    """The function that must be called."""

    name: str


class FlatJsonSchemaFormat(JsonSchema, tag_field="type", tag="json_schema"):
    """JSON that keeps a schema."""


class TextConfig(msgspec.Struct):
    """The form of the answer."""

    format: TextFormat | JsonObjectFormat | FlatJsonSchemaFormat | None = None
    verbosity: Annotated[str, Meta(description=WITHOUT_EFFECT)] | None = None


class ResponsesRequest(Shared, kw_only=True):
    """POST /responses."""

    input: Annotated[
        Annotated[str, Meta(min_length=1)] | Annotated[list[Item], Meta(min_length=1)],
        Meta(description="The question, or the conversation so far"),
    ]
    instructions: Annotated[str, Meta(description="A system message before the input")] | None = (
        None
    )
    max_output_tokens: (
        Annotated[int, Meta(ge=1, description="Output tokens, thought and answer together")] | None
    ) = None
    return_token_ids: Annotated[bool, Meta(description=WITHOUT_EFFECT)] | None = None
    n: Annotated[Literal[1], Meta(description="A response is one answer")] | None = None
    reasoning: (
        Annotated[Reasoning, Meta(description="How long to think, and who sees it")] | None
    ) = None
    include_reasoning: Annotated[bool, Meta(description="false is reasoning.exclude")] | None = None
    text: Annotated[TextConfig, Meta(description="Text, JSON, or JSON of a schema")] | None = None
    tools: (
        Annotated[
            list[FunctionTool],
            Meta(max_length=MAX_TOOLS, description="Functions that may be called"),
        ]
        | None
    ) = None
    tool_choice: (
        Annotated[
            Literal["none", "auto", "required"] | NamedFunctionTool,
            Meta(description="Whether a tool may, must or must not be called, and which"),
        ]
        | None
    ) = None
    parallel_tool_calls: (
        Annotated[bool, Meta(description="false: the first call alone is returned")] | None
    ) = None
    include: (
        Annotated[
            list[str], Meta(description=f"'{LOGPROBS}' adds log probabilities; others are ignored")
        ]
        | None
    ) = None
    top_logprobs: (
        Annotated[int, Meta(ge=0, le=20, description=f"Likeliest tokens shown with {LOGPROBS}")]
        | None
    ) = None
    previous_response_id: Annotated[str, Meta(description=NOT_KEPT)] | None = None
    conversation: Annotated[str | dict[str, Any], Meta(description=NOT_KEPT)] | None = None
    prompt: Annotated[dict[str, Any], Meta(description=NOT_KEPT)] | None = None
    background: (
        Annotated[bool, Meta(description="true is refused: answers are not kept")] | None
    ) = None


def with_types(skeleton: bytes) -> bytes:
    """Return a request in which items without a type are messages, as OpenAI lets them be.

    What is no list of objects stays as it is: reading it says what is wrong.
    """
    try:
        fields = _FIELDS.decode(skeleton)
        items = _ITEMS.decode(fields["input"])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return skeleton
    bare = [item for item in items if item.get("type", _NULL) == _NULL]
    for item in bare:
        item["type"] = _MESSAGE
    return msgspec.json.encode(fields | {"input": items}) if bare else skeleton


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[dict[str, Raw]])
_NULL = Raw(b"null")
_MESSAGE = Raw(b'"message"')
