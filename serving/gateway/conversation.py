"""A chat's messages as the engine takes them: thoughts passed back, media checked and inline."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from serving.gateway.body import Body
from serving.gateway.chat_request import (
    AssistantMessage,
    ChatRequest,
    Content,
    ImagePart,
    Message,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolMessage,
    VideoPart,
)
from serving.gateway.errors import BadRequest, GatewayError
from serving.gateway.media import Media, MediaFetcher
from serving.gateway.reading import invalid
from serving.gateway.workload import BYTES_PER_TOKEN
from serving.options import GatewaySettings

# What a chat template may add around messages and tools.
TEMPLATE_TOKENS: Final = 512


@dataclass(frozen=True, slots=True)
class Question:
    """A chat request, the body whose literals it refers to, and names for errors.

    Where the request was translated from another dialect, the messages, and the pictures and videos
    in their order, have the names of that dialect's fields.
    """

    request: ChatRequest
    body: Body
    origins: Sequence[str] | None = None
    media_origins: Sequence[str] | None = None

    @property
    def names(self) -> Sequence[str]:
        """Return each message's name."""
        return self.origins or [f"messages[{at}]" for at in range(len(self.request.messages))]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages ready for the engine; their text, tools included, and the tokens of their media.

    `media_tokens` is an upper bound.
    """

    messages: list[dict[str, Any]]
    has_media: bool
    text_bytes: int
    media_tokens: int

    @property
    def max_prompt_tokens(self) -> int:
        """Return an upper bound: no token is less than a byte."""
        return self.text_bytes + TEMPLATE_TOKENS + self.media_tokens

    @property
    def likely_prompt_tokens(self) -> int:
        """Return what the prompt has if its text is like others."""
        return self.text_bytes // BYTES_PER_TOKEN + self.media_tokens


@dataclass(frozen=True, slots=True)
class _Place:
    """One picture or video: its part of the engine's message, its kind, and its name in errors."""

    part: dict[str, Any]
    kind: str
    param: str

    @property
    def url(self) -> str:
        """Return where the client says it is."""
        url: str = self.part[self.kind]["url"]
        return url


async def read_conversation(
    question: Question, media: MediaFetcher, limits: GatewaySettings
) -> Conversation:
    """Check and rebuild messages, media by URL fetched; raises BadRequest naming the field."""
    request, body, names = question.request, question.body, question.names
    messages = [_rebuilt(*each) for each in zip(request.messages, names, strict=True)]
    places = [place for each in zip(messages, names, strict=True) for place in _media(*each)]
    if question.media_origins is not None:
        named = zip(places, question.media_origins, strict=True)
        places = [replace(place, param=name) for place, name in named]
    _check_count(places, "image_url", limits.max_images, "pictures")
    _check_count(places, "video_url", limits.max_videos, "videos")
    text = msgspec.json.encode([messages, request.offered_tools]).decode()
    text_bytes = body.length(text)
    text_bytes -= sum(body.length(place.url) for place in places)
    tokens = await _inline_all(places, body, media)
    return Conversation(messages, bool(places), text_bytes, tokens)


def _rebuilt(message: Message, origin: str) -> dict[str, Any]:
    match message:
        case AssistantMessage():
            rebuilt: dict[str, Any] = {"role": "assistant", "content": message.content or ""}
            if message.thought:
                rebuilt["reasoning"] = message.thought
            if message.tool_calls:
                rebuilt["tool_calls"] = [
                    _call(call, f"{origin}.tool_calls[{at}]")
                    for at, call in enumerate(message.tool_calls)
                ]
        case ToolMessage():
            rebuilt = {"role": "tool", "content": message.content}
            if message.tool_call_id is not None:
                rebuilt["tool_call_id"] = message.tool_call_id
        case _:
            role = "user" if message.__struct_config__.tag == "user" else "system"
            rebuilt = {"role": role, "content": message.content}
    rebuilt["content"] = _content(rebuilt["content"])
    return rebuilt


def _content(content: Content) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for part in content:
        match part:
            case TextPart(text) | RefusalPart(text):
                parts.append({"type": "text", "text": text})
            case ImagePart(place):
                parts.append({"type": "image_url", "image_url": {"url": place.url}})
            case VideoPart(place):
                parts.append({"type": "video_url", "video_url": {"url": place.url}})
    return parts


def check_arguments(arguments: str, param: str) -> None:
    """Raise BadRequest unless a call's arguments are the object that the template reads."""
    try:
        msgspec.json.decode(arguments or "{}", type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise invalid(f"'{param}' is not a JSON object as text.", param) from None


def _call(call: ToolCall, param: str) -> dict[str, Any]:
    check_arguments(call.function.arguments, f"{param}.function.arguments")
    function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _media(message: dict[str, Any], origin: str) -> Iterator[_Place]:
    if isinstance(message["content"], list):
        for at, part in enumerate(message["content"]):
            if part["type"] != "text":
                yield _Place(part, part["type"], f"{origin}.content[{at}].{part['type']}.url")


def _check_count(places: list[_Place], kind: str, limit: int, name: str) -> None:
    count = sum(place.kind == kind for place in places)
    if count > limit:
        code = "too_many_images" if kind == "image_url" else "too_many_videos"
        raise BadRequest(
            f"The request holds {count} {name}; the limit is {limit}. Send fewer.",
            code=code,
            param="messages",
        )


async def _inline_all(places: list[_Place], body: Body, media: MediaFetcher) -> int:
    """Put all media inline and return their tokens; the first bad one ends the request."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_inline(place, body, media)) for place in places]
    except ExceptionGroup as failures:
        refusals = [e for e in failures.exceptions if isinstance(e, GatewayError)]
        raise (refusals or failures.exceptions)[0] from None
    return sum(task.result() for task in tasks)


async def _inline(place: _Place, body: Body, media: MediaFetcher) -> int:
    read: Callable[..., Awaitable[Media]]
    read = media.picture if place.kind == "image_url" else media.video
    found = await read(*body.literal(place.url), place.param)
    place.part[place.kind]["url"] = f"data:{found.media_type};base64,{body.add(found.base64)}"
    return found.tokens
