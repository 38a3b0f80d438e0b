"""Pictures and videos of a request: taken inline or fetched, checked, ready for the engine."""

import asyncio
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client import CollectorRegistry

from serving.gateway.base64_text import NotBase64, decoded_bytes, encode_base64, heads, plain_base64
from serving.gateway.body import Piece
from serving.gateway.download import Downloader
from serving.gateway.errors import GatewayError
from serving.gateway.inspection.finding import Refused
from serving.gateway.inspection.pool import InspectionPool
from serving.gateway.media_kind import PICTURE, VIDEO, Place
from serving.gateway.memory_budget import Share
from serving.gateway.metrics.media import MediaMetrics
from serving.gateway.picture import (
    MAX_SIDE_RATIO,
    Size,
    picture_format,
    picture_size,
    picture_tokens,
)
from serving.gateway.record import Record
from serving.gateway.video import FRAMES_PER_TOKEN, MAX_FRAMES, Video, video_format
from serving.options import EngineSettings, GatewaySettings

MAX_URL_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Media:
    """A checked picture or video."""

    media_type: str  # as its bytes say, whatever the URL claimed
    base64: Piece
    tokens: int  # an upper bound of the prompt tokens it takes


class MediaFetcher:
    """Turns the URLs of a request's pictures and videos into checked base64.

    `engine` says how it samples and scales videos.
    """

    def __init__(
        self,
        gateway: GatewaySettings,
        engine: EngineSettings | None = None,
        metrics: MediaMetrics | None = None,
    ) -> None:
        self._metrics = metrics or MediaMetrics(CollectorRegistry())
        self._limits = gateway
        self._engine = engine or EngineSettings()
        self._web = Downloader(gateway)
        self._inspection = InspectionPool(gateway)
        self._take: Callable[[int], None] = lambda size: None
        self._record = Record(id="", time=0.0)

    async def open(self) -> None:
        """Get ready to fetch; needs a running loop."""
        await self._web.open()

    async def close(self) -> None:
        """Give up all connections and end the workers."""
        await self._web.close()
        self._inspection.close()

    def within(self, memory: Share, record: Record) -> Self:
        """Return this fetcher for one request: its memory and its record take what is fetched."""
        bound = copy.copy(self)
        bound._record = record
        bound._take = lambda size: memory.take(size * 4 // 3 + 4)
        return bound

    async def picture(self, head: str, literal: Piece, param: str) -> Media:
        """Return the picture behind a URL as Body.literal splits it; raises BadRequest."""
        place = Place(PICTURE, param)
        with self._counted(head, place):
            base64 = await self._base64(head, literal, place)
            form = _format(base64, place)
            self._check_size(await _size(base64), place)  # before a worker's memory is spent on it
            found = await self._look(form, base64, place)
            size = int(found["width"]), int(found["height"])
            self._check_size(size, place)  # a file can say two
        self._record.images += 1
        return Media(PICTURE.types[form], base64, picture_tokens(*size))

    async def video(self, head: str, literal: Piece, param: str) -> Media:
        """Return the video behind a URL as Body.literal splits it; raises BadRequest."""
        place = Place(VIDEO, param)
        with self._counted(head, place):
            base64 = await self._base64(head, literal, place)
            form = _format(base64, place)
            found = await self._look(form, base64, place)
            video = Video(
                int(found["width"]), int(found["height"]), int(found["frames"]), found["rate"]
            )
            self._check_size((video.width, video.height), place)
            self._check_frames(video, place)
        self._record.videos += 1
        tokens = video.tokens(self._engine.max_video_frames, self._engine.max_video_pixels)
        return Media(VIDEO.types[form], base64, tokens)

    @contextmanager
    def _counted(self, head: str, place: Place) -> Iterator[None]:
        """Count an item by where it comes from and whether it is let through.

        One that is given up, since another was refused or the client has gone, is neither.
        """
        source = "inline" if head[:5].lower() == "data:" else "url"
        try:
            yield
        except GatewayError:
            self._metrics.items.labels(place.kind.stem, source, "refused").inc()
            raise
        self._metrics.items.labels(place.kind.stem, source, "ok").inc()

    async def _look(self, form: str, base64: Piece, place: Place) -> dict[str, float]:
        size = decoded_bytes(base64)
        self._record.media_bytes += size
        self._metrics.bytes.labels(place.kind.stem).inc(size)
        try:
            with self._metrics.check.labels(place.kind.stem).time():
                return await self._inspection.look(form, base64)
        except Refused as refused:
            raise place.error(refused.code, refused.what) from None

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
        with self._metrics.fetch.labels(place.kind.stem).time():
            fetched = await self._web.fetch(url, place, self._take)
        return await encode_base64(fetched)

    async def _inline(self, literal: Piece, place: Place) -> Piece:
        try:
            base64 = await plain_base64(literal)
        except NotBase64:
            raise place.error(
                "{}_parse_error", "is not valid base64. Send it padded and without line breaks."
            ) from None
        if decoded_bytes(base64) > self._limits.max_media_bytes:
            raise place.too_large(self._limits.max_media_bytes)
        if base64 is not literal:  # JSON's escapes made a copy necessary
            self._take(decoded_bytes(base64))
        return base64

    def _check_size(self, size: Size | None, place: Place) -> None:
        noun = place.kind.noun
        if size is None:
            raise place.error(
                "{}_parse_error",
                f"holds a {noun} cut off or damaged before its size. Send the whole file.",
            )
        said = f"is {size[0]} × {size[1]} pixels; "
        limit = self._limits.max_image_side
        if max(size) > limit:
            raise place.error("{}_too_large", f"{said}the limit is {limit} a side. Scale it down.")
        if min(size) < 1:
            raise place.error("{}_too_small", f"{said}the least is 1 a side. Send another {noun}.")
        if max(size) > MAX_SIDE_RATIO * min(size):
            raise place.error(
                "{}_too_small",
                f"{said}one side is at most {MAX_SIDE_RATIO} times the other. Crop it.",
            )

    def _check_frames(self, video: Video, place: Place) -> None:
        if video.frames < FRAMES_PER_TOKEN:
            raise place.error("{}_too_small", "has a single frame. Send it as a picture.")
        if video.frames > MAX_FRAMES:
            raise place.error(
                "{}_too_large",
                f"has {video.frames} frames; the limit is {MAX_FRAMES}. Shorten it.",
            )
        needed = video.decoded_bytes(self._engine.max_video_frames)
        limit = self._limits.max_video_decoded_bytes
        if needed > limit:
            raise place.error(
                "{}_too_large",
                f"is {video.width} × {video.height} pixels and "
                f"{video.frames / video.rate:.0f} seconds long, which takes {needed} bytes when "
                f"decoded; the limit is {limit}. Scale it down or shorten it.",
            )


def _format(base64: Piece, place: Place) -> str:
    """Return the served format that the first bytes show, or say what they are instead."""
    head = next(heads(base64), b"")
    name = picture_format(head) or video_format(head)
    if name is None:
        raise place.error(
            "{}_parse_error", f"holds no readable {place.kind.noun}; {place.kind.served}."
        )
    if name in place.kind.types:
        return name
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
