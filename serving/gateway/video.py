"""What a video is by its first bytes, and what the engine makes of one of known size and length."""

import re
from math import ceil, sqrt
from typing import Final, NamedTuple

from serving.gateway.picture import MIN_PICTURE_TOKENS, PIXELS_PER_TOKEN_SIDE

SAMPLES_PER_SECOND: Final = 2
MIN_SAMPLES: Final = 4
MAX_FRAMES: Final = 108_000  # an hour of 30 a second: the engine decodes also those it drops
FRAMES_PER_TOKEN: Final = 2
BYTES_PER_PIXEL: Final = 3
# Before each pair of frames stands its time, like <12.5 seconds>, between two marks: at most a
# token for each character beside the digits of the whole seconds.
TIME_TOKENS: Final = 15

VIDEO_TYPES: Final = {
    "MP4": "video/mp4",
    "WEBM": "video/webm",
    "MOV": "video/quicktime",
    "MPEG": "video/mpeg",
}
# With what people send in place of a video; the first that matches counts.
SIGNATURES: Final = {
    name: re.compile(signature, re.DOTALL)
    for name, signature in {
        "MOV": rb".{4}(?:ftypqt  |moov|mdat|wide)",  # the oldest begin without their type
        "M4A": rb".{4}ftypM4[AB] ",
        "MP4": rb".{4}ftyp",
        "WEBM": rb"\x1aE\xdf\xa3.{0,64}?\x42\x82.{1,8}?webm",
        "MKV": rb"\x1aE\xdf\xa3",
        "MPEG": rb"\0\0\x01\xba",
        "MPEG elementary stream": rb"\0\0\x01\xb3",  # without times the engine finds no frames
        "MPEG-TS": rb"G.{187}G.{187}G",
        "AVI": rb"RIFF.{4}AVI ",
        "WMV": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "FLV": rb"FLV\x01",
        "OGG": rb"OggS",
        "WAV": rb"RIFF.{4}WAVE",
        "MP3": rb"ID3|\xff[\xf2\xf3\xfa\xfb]",
        "FLAC": rb"fLaC",
    }.items()
}


def video_format(head: bytes | bytearray) -> str | None:
    """Name the format of a video or sound, served or not; None for everything else.

    Pictures that share a video's container (HEIC, AVIF) are told apart before.
    """
    return next((name for name, form in SIGNATURES.items() if form.match(head)), None)


class Video(NamedTuple):
    """A video's size in pixels, its frames, and how many of them a second shows."""

    width: int
    height: int
    frames: int
    rate: float

    def samples(self, max_frames: int) -> int:
        """Return how many frames the engine decodes (vLLM 0.32, Qwen3VLVideoBackend)."""
        wanted = int(self.frames / self.rate * SAMPLES_PER_SECOND)
        return min(max(wanted, MIN_SAMPLES), max_frames, self.frames)

    def decoded_bytes(self, max_frames: int) -> int:
        """Return the memory that those frames take at full size, before they are scaled down."""
        return self.samples(max_frames) * self.width * self.height * BYTES_PER_PIXEL

    def tokens(self, max_frames: int, max_pixels: int) -> int:
        """Return an upper bound of the prompt tokens it takes, as the model's processor scales it.

        A cell is 32 x 32 pixels of a pair of frames. Sides of less than a cell grow to one; what
        is over `max_pixels`, frames x width x height, is scaled to them, but no side to less than a
        cell, and pairs are rounded (transformers 5.19, smart_resize of Qwen3-VL's videos).
        """
        samples = self.samples(max_frames)
        pairs = ceil(samples / FRAMES_PER_TOKEN)
        grown = max(1, PIXELS_PER_TOKEN_SIDE / min(self.width, self.height))
        rows, columns = (side * grown / PIXELS_PER_TOKEN_SIDE for side in (self.height, self.width))
        cells = pairs * ceil(rows) * ceil(columns)
        largest = max_pixels / PIXELS_PER_TOKEN_SIDE**2
        if cells * FRAMES_PER_TOKEN > largest:
            scale = sqrt(largest / (samples * rows * columns))
            scaled = pairs * max(1, rows * scale) * max(1, columns * scale)
            cells = ceil(scaled * (samples + 3) / samples)
        digits = len(str(int(self.frames / self.rate)))
        return max(MIN_PICTURE_TOKENS, cells) + pairs * (TIME_TOKENS + digits)
