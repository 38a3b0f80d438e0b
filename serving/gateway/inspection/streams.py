"""A video opened, its first frame decoded: how large and long it is, by FFmpeg as in the engine."""

import io
from typing import Final

import av
from av.video.stream import VideoStream

from serving.gateway.inspection.finding import PARSE_ERROR, Limits, Refused, cut_off, damaged

DEMUXERS: Final = {"MP4": "mov", "MOV": "mov", "WEBM": "matroska", "MPEG": "mpeg"}
BOXED: Final = frozenset({"MP4", "MOV"})
BOX_BYTES: Final = 8
LONG_BOX: Final = 1  # its size follows in eight bytes
LAST_BOX: Final = 0  # to the file's end
MAX_BOXES: Final = 65_536
UNTIMED: Final = "does not say how many frames it has. Convert it to MP4."


def look(data: bytes, form: str, limits: Limits) -> dict[str, float]:
    """Return width, height, frames and frames per second; raises Refused, or what FFmpeg raises."""
    av.logging.set_level(av.logging.PANIC)
    if form in BOXED:
        _check_boxes(data)
    # FFmpeg finds the demuxer by itself, as it will in the engine; it must come to the same one.
    options = {"format_whitelist": DEMUXERS[form]}
    with av.open(io.BytesIO(data), "r", options=options) as container:
        if not container.streams.video:
            raise Refused(PARSE_ERROR, "holds no moving picture. Send another file.")
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / av.time_base
        found = {"width": stream.width, "height": stream.height, **_times(stream, seconds)}
        if max(stream.width, stream.height) <= limits.max_side:
            stream.thread_count = 1
            frame = next(container.decode(stream), None)
            if frame is None:
                raise damaged()
            found["width"] = max(stream.width, frame.width)
            found["height"] = max(stream.height, frame.height)
    return found


def _times(stream: VideoStream, seconds: float) -> dict[str, float]:
    """Count frames as OpenCV does, through which vLLM reads videos."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    if seconds <= 0 and stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    frames = stream.frames or int(seconds * rate + 0.5)
    if frames <= 0 or rate <= 0:
        raise Refused(PARSE_ERROR, UNTIMED)
    return {"frames": frames, "rate": rate}


def _check_boxes(data: bytes) -> None:
    """Walk an MP4's outermost boxes; raises Refused where one is longer than what is there."""
    at = 0
    for _ in range(MAX_BOXES):
        if at + BOX_BYTES > len(data):
            return
        size = int.from_bytes(data[at : at + 4], "big")
        if size == LAST_BOX:
            return
        if size == LONG_BOX:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        at += max(size, BOX_BYTES)
        if at > len(data):
            raise cut_off()
    raise damaged()
