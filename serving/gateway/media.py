"""Pictures and videos of a request: taken inline or fetched, checked, ready for the engine."""

import asyncio
from dataclasses import dataclass
from typing import Final

from serving.gateway.base64_text import NotBase64, decoded_bytes, encode_base64, heads, plain_base64
from serving.gateway.body import Piece
from serving.gateway.download import Downloader
from serving.gateway.media_kind import PICTURE, VIDEO, Place
from serving.gateway.picture import (
    MAX_SIDE_RATIO,
    Size,
    picture_format,
    picture_size,
    picture_tokens,
)
from serving.gateway.video import VIDEO_TOKENS, video_format
from serving.options import GatewaySettings

MAX_URL_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Media:
    """A checked picture or video."""

    media_type: str  # as its bytes say, whatever the URL claimed
    base64: Piece
    tokens: int  # an upper bound of the prompt tokens it takes


class MediaFetcher:
    """Turns the URLs of a request's pictures and videos into checked base64."""

    def __init__(self, gateway: GatewaySettings) -> None:
        self._limits = gateway
        self._web = Downloader(gateway)

    async def open(self) -> None:
        """Get ready to fetch; needs a running loop."""
        await self._web.open()

    async def close(self) -> None:
        """Give up all connections."""
        await self._web.close()

    async def picture(self, head: str, literal: Piece, param: str) -> Media:
        """Return the picture behind a URL as Body.literal splits it; raises BadRequest."""
        place = Place(PICTURE, param)
        base64 = await self._base64(head, literal, place)
        media_type = _media_type(base64, place)
        width, height = self._checked(await _size(base64), place)
        return Media(media_type, base64, picture_tokens(width, height))

    async def video(self, head: str, literal: Piece, param: str) -> Media:
        """Return the video behind a URL as Body.literal splits it; raises BadRequest."""
        place = Place(VIDEO, param)
        base64 = await self._base64(head, literal, place)
        return Media(_media_type(base64, place), base64, VIDEO_TOKENS)

    async def _base64(self, head: str, literal: Piece, place: Place) -> Piece:
        if head[:5].lower() == "data:":
            return await self._inline(literal, place)
        if len(literal) > MAX_URL_BYTES:
            raise place.error(
                "invalid_{}_url",
                f"is longer than {MAX_URL_BYTES} bytes and no data:…;base64, URL. Shorten it.",
            )
        url = head + bytes(literal).decode("utf-8", "replace")
        if not url[:8].lower().startswith(("http://", "https://")):
            raise place.error(
                "invalid_{}_url", "must be an http:, https: or data:…;base64, URL. Send one."
            )
        return await encode_base64(await self._web.fetch(url, place))

    async def _inline(self, literal: Piece, place: Place) -> Piece:
        try:
            base64 = await plain_base64(literal)
        except NotBase64:
            raise place.error(
                "{}_parse_error", "is not valid base64. Send it padded and without line breaks."
            ) from None
        if decoded_bytes(base64) > self._limits.max_media_bytes:
            raise place.too_large(self._limits.max_media_bytes)
        return base64

    def _checked(self, size: Size | None, place: Place) -> Size:
        if size is None:
            raise place.error(
                "{}_parse_error",
                "holds a picture cut off or damaged before its size. Send the whole file.",
            )
        said = f"is {size[0]} × {size[1]} pixels; "
        limit = self._limits.max_image_side
        if max(size) > limit:
            raise place.error("{}_too_large", f"{said}the limit is {limit} a side. Scale it down.")
        if min(size) < 1:
            raise place.error("{}_too_small", f"{said}the least is 1 a side. Send another picture.")
        if max(size) > MAX_SIDE_RATIO * min(size):
            raise place.error(
                "{}_too_small",
                f"{said}one side is at most {MAX_SIDE_RATIO} times the other. Crop it.",
            )
        return size


def _media_type(base64: Piece, place: Place) -> str:
    """Return the type that the first bytes show, or say what they are instead."""
    head = next(heads(base64), b"")
    name = picture_format(head) or video_format(head)
    if name is None:
        raise place.error(
            "{}_parse_error", f"holds no readable {place.kind.noun}; {place.kind.served}."
        )
    if media_type := place.kind.types.get(name):
        return media_type
    for other in (PICTURE, VIDEO):
        if name in other.types:
            raise place.error(
                "unsupported_{}_format",
                f"holds a {other.noun} ({name}), not a {place.kind.noun}. "
                f"Send it as a {other.noun}.",
            )
    raise place.error("unsupported_{}_format", f"holds {name}; {place.kind.served}. Convert it.")


async def _size(base64: Piece) -> Size | None:
    for head in heads(base64):
        if size := picture_size(head):
            return size
        await asyncio.sleep(0)
    return None
