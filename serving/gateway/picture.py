"""What a picture is, read from its first bytes: format and size, no pixel decoded."""

import re
from math import ceil
from typing import Final

MIN_PICTURE_TOKENS: Final = 256
PIXELS_PER_TOKEN_SIDE: Final = 32
MAX_SIDE_RATIO: Final = 200  # the model's own processor refuses longer strips
# A real file has some hundreds before its size; each costs time that all requests share.
MAX_JPEG_SEGMENTS: Final = 4096
JPEG_SIZE_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xDA)})  # no length follows

PICTURE_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
# With what people send in place of a picture; the first that matches counts.
SIGNATURES: Final = {
    name: re.compile(signature, re.DOTALL)
    for name, signature in {
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "JPEG": rb"\xff\xd8\xff",
        "WEBP": rb"RIFF.{4}WEBP",
        "GIF": rb"GIF8[79]a",
        "BMP": rb"BM.{4}\0{4}",
        "TIFF": rb"II[*+]\0|MM\0[*+]",
        "AVIF": rb".{4}ftypavi[fs]",
        "HEIC": rb".{4}ftyp(?:he[iv][cmsx]|mif[12]|msf1)",
        "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "JPEG XL": rb"\0\0\0\x0cJXL |\xff\x0a",
        "ICO": rb"\0\0\x01\0",
        "PSD": rb"8BPS",
        "PDF": rb"%PDF-",
        "HTML": rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+)?html\b",
        "SVG": rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<[?!].{0,4000}?)?<svg\b",
    }.items()
}

Data = bytes | bytearray
Size = tuple[int, int]


def picture_format(head: Data) -> str | None:
    """Name the format of a picture or document, served or not; None for everything else."""
    return next((name for name, form in SIGNATURES.items() if form.match(head)), None)


def picture_size(head: Data) -> Size | None:
    """Read width and height in pixels; None where `head` ends before them or is damaged."""
    match picture_format(head):
        case "PNG":
            # Decoders look for the size chunk anywhere; one that is not first could hide another.
            leads = head[12:16] == b"IHDR" and len(head) >= 24
            return (_big(head[16:20]), _big(head[20:24])) if leads else None
        case "GIF":
            return (_little(head[6:8]), _little(head[8:10])) if len(head) >= 10 else None
        case "WEBP":
            return _webp_size(head)
        case "JPEG":
            return _jpeg_size(head)
        case _:
            return None


def picture_tokens(width: int, height: int) -> int:
    """Return an upper bound of the prompt tokens a picture takes."""
    columns = ceil(width / PIXELS_PER_TOKEN_SIDE)
    rows = ceil(height / PIXELS_PER_TOKEN_SIDE)
    return max(MIN_PICTURE_TOKENS, columns * rows)


def _webp_size(head: Data) -> Size | None:
    if len(head) < 30:
        return None
    match bytes(head[12:16]):
        case b"VP8 ":
            return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(head[24:27]) + 1, _little(head[27:30]) + 1
        case _:
            return None


def _jpeg_size(head: Data) -> Size | None:
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        if at + 9 > len(head) or head[at] != 0xFF:
            break
        marker = head[at + 1]
        if marker in JPEG_SIZE_MARKERS:
            return _big(head[at + 7 : at + 9]), _big(head[at + 5 : at + 7])
        if marker == 0xFF:
            at += 1
        elif marker in JPEG_BARE_MARKERS:
            at += 2
        else:
            at += 2 + max(2, _big(head[at + 2 : at + 4]))
    return None


def _big(data: Data) -> int:
    return int.from_bytes(data, "big")


def _little(data: Data) -> int:
    return int.from_bytes(data, "little")
