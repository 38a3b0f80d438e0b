"""What a picture is, read from its first bytes: format and size, no pixel decoded."""

from dataclasses import dataclass
from math import ceil

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MIN_PICTURE_TOKENS = 256
PIXELS_PER_TOKEN_SIDE = 32
# A real file has some hundreds before its size; each costs time that all requests share.
MAX_JPEG_SEGMENTS = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's format and size in pixels; 0 × 0 means more bytes are needed to tell."""

    media_type: str
    width: int
    height: int

    @property
    def tokens(self) -> int:
        """Return an upper bound of the prompt tokens it takes."""
        columns = ceil(self.width / PIXELS_PER_TOKEN_SIDE)
        rows = ceil(self.height / PIXELS_PER_TOKEN_SIDE)
        return max(MIN_PICTURE_TOKENS, columns * rows)


def inspect(data: bytes) -> Picture | None:
    """Recognise PNG, JPEG, WEBP and GIF; None for everything else."""
    if data.startswith(PNG):
        # Decoders look for the size chunk anywhere; one that is not first could hide another size.
        leads = data[12:16] == b"IHDR" and len(data) >= 24
        return Picture("image/png", *((_big(data[16:20]), _big(data[20:24])) if leads else (0, 0)))
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Picture("image/gif", _little(data[6:8]), _little(data[8:10]))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Picture("image/webp", *_webp_size(data))
    if data.startswith(JPEG):
        return Picture("image/jpeg", *_jpeg_size(data))
    return None


def _webp_size(data: bytes) -> tuple[int, int]:
    if len(data) < 30:
        return 0, 0
    match data[12:16]:
        case b"VP8 ":
            return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(data[24:27]) + 1, _little(data[27:30]) + 1
        case _:
            return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        if at + 9 > len(data) or data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker in JPEG_SIZE_MARKERS:
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 + max(2, _big(data[at + 2 : at + 4]))
    return 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
