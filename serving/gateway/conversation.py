"""A chat's messages: rebuilt from known fields, media checked, text never decoded."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from serving.gateway.errors import BadRequest, GatewayError
from serving.gateway.media import MediaFetcher

T = TypeVar("T")

PART_TYPES: Final = ("text", "image_url", "video_url", "refusal")
# What a chat template may add around messages and tools.
TEMPLATE_TOKENS: Final = 512
# The bound for a video: the engine scales it down to about this.
VIDEO_TOKENS: Final = 16_384

MaybeRaw = Raw | UnsetType


class MediaUrl(msgspec.Struct, omit_defaults=True):
    """The object inside an image or video part."""

    url: Raw
    detail: MaybeRaw = UNSET


class Part(msgspec.Struct, omit_defaults=True):
    """One part of a message's content."""

    type: str
    text: MaybeRaw = UNSET
    refusal: MaybeRaw = UNSET
    image_url: MediaUrl | UnsetType = UNSET
    video_url: MediaUrl | UnsetType = UNSET


class Message(msgspec.Struct, omit_defaults=True):
    """One message; fields that no chat template reads are dropped."""

    role: Raw
    content: MaybeRaw = UNSET
    name: MaybeRaw = UNSET
    tool_calls: MaybeRaw = UNSET
    tool_call_id: MaybeRaw = UNSET
    reasoning: MaybeRaw = UNSET
    reasoning_content: MaybeRaw = UNSET


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages ready for the engine, with an upper bound of their tokens."""

    messages: Raw
    has_media: bool
    max_prompt_tokens: int


@dataclass(frozen=True, slots=True)
class _Media:
    """One picture or video, where it stands, and its URL without quotes."""

    place: MediaUrl
    param: str
    url: bytes


async def read_conversation(raw: Raw, media: MediaFetcher, max_images: int) -> Conversation:
    """Check and rebuild messages, pictures by URL fetched; raises BadRequest naming the field."""
    messages = _decoded(raw, list[Message], "messages")
    contents = {at: _parts(message, at) for at, message in enumerate(messages)}
    images = list(_media(contents, "image_url"))
    videos = list(_media(contents, "video_url"))
    if len(images) > max_images:
        raise BadRequest(
            f"The request holds {len(images)} pictures; the limit is {max_images}. Send fewer.",
            code="too_many_images",
            param="messages",
        )
    for video in videos:
        media.video(video.url, video.param)
    picture_tokens = await _inline_all(images, media)
    for at, parts in contents.items():
        if parts:
            messages[at].content = Raw(msgspec.json.encode(parts))
    rebuilt = msgspec.json.encode(messages)
    text_bytes = len(rebuilt) - sum(len(memoryview(item.place.url)) for item in images + videos)
    bound = text_bytes + TEMPLATE_TOKENS + picture_tokens + VIDEO_TOKENS * len(videos)
    return Conversation(Raw(rebuilt), bool(images or videos), bound)


async def _inline_all(images: list[_Media], media: MediaFetcher) -> int:
    """Put every picture inline and return their tokens; the first bad one ends the request."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_inline(image, media)) for image in images]
    except ExceptionGroup as failures:
        refusals = [e for e in failures.exceptions if isinstance(e, GatewayError)]
        raise (refusals or failures.exceptions)[0] from None
    return sum(task.result() for task in tasks)


async def _inline(image: _Media, media: MediaFetcher) -> int:
    found = await media.picture(image.url, image.param)
    if found.url is not image.url:
        image.place.url = Raw(b'"%s"' % found.url)  # base64 needs no escapes
    return found.picture.tokens


def _parts(message: Message, at: int) -> list[Part]:
    if message.content is UNSET or bytes(memoryview(message.content)[:1]) != b"[":
        return []
    param = f"messages[{at}].content"
    parts = _decoded(message.content, list[Part], param)
    for part in parts:
        if part.type not in PART_TYPES:
            raise BadRequest(
                f"A content part of type '{part.type[:32]}' is not served; "
                f"use {', '.join(PART_TYPES[:3])}.",
                code="invalid_value",
                param=param,
            )
    return parts


def _media(contents: dict[int, list[Part]], kind: str) -> Iterator[_Media]:
    for at, parts in contents.items():
        for index, part in enumerate(parts):
            place: MediaUrl | UnsetType = getattr(part, kind)
            param = f"messages[{at}].content[{index}].{kind}"
            if part.type != kind:
                setattr(part, kind, UNSET)
            elif place is UNSET:
                raise BadRequest(f"{param} is missing.", code="invalid_value", param=param)
            else:
                yield _Media(place, f"{param}.url", _text(place.url, param))


def _text(raw: Raw, param: str) -> bytes:
    """Return a JSON string's bytes; the common form without escapes is cut out, not decoded."""
    view = memoryview(raw)
    if bytes(view[:1]) == b'"' and b"\\" not in (text := bytes(view[1:-1])):
        return text
    return _decoded(raw, str, param).encode()


def _decoded(raw: Raw, kind: type[T], param: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"'{param}' has a form that cannot be used: {error}.", code="invalid_value", param=param
        ) from None
