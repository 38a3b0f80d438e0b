"""The structure of a PNG file: chunks up to IEND, and as much image data as its size needs."""

import zlib
from collections.abc import Iterator
from typing import Final

from serving.gateway.inspection.finding import TOO_LARGE, Outline, Refused, cut_off, damaged

SIGNATURE_BYTES: Final = 8
CHUNK_FRAME_BYTES: Final = 12  # length, kind and checksum
MAX_CHUNKS: Final = 65_536  # 20 MB in the usual 8 KiB are 2,560
CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# First column, first row, and the steps between columns and rows of Adam7's passes.
ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
STEP_BYTES: Final = 64 * 1024
SPARE_BYTES: Final = 64 * 1024  # some encoders end with a few bytes too many

Data = bytes | memoryview


def outline(data: bytes) -> Outline:
    """Walk the chunks; raises Refused for a file without its end."""
    at, declared, counted = SIGNATURE_BYTES, 1, 0
    for kind, body in _chunks(data):
        at += CHUNK_FRAME_BYTES + len(body)
        counted += kind == b"fcTL"
        if kind == b"acTL":
            declared = int.from_bytes(body[:4], "big")
        if kind == b"IEND":
            return Outline(at, max(declared, counted))
    raise cut_off()


def check_rows(data: bytes) -> None:
    """Unpack the image data; raises Refused where it is less or more than the size needs.

    With the checksums right, that is all that decoding would find, at half its time.
    """
    missing = _needed_bytes(data)
    try:
        for unpacked in _unpacked(data):
            missing -= unpacked
            if missing < -SPARE_BYTES:
                raise Refused(
                    TOO_LARGE, "unpacks to more data than its size in pixels needs. Save it anew."
                )
    except zlib.error:
        raise damaged() from None
    if missing > 0:
        raise cut_off()


def _unpacked(data: bytes) -> Iterator[int]:
    """Unpack the image data in small steps and yield the length of each."""
    inflater = zlib.decompressobj()
    for body in (body for kind, body in _chunks(data) if kind == b"IDAT"):
        for start in range(0, len(body), STEP_BYTES):
            packed: Data = body[start : start + STEP_BYTES]
            while packed and not inflater.eof:
                yield len(inflater.decompress(packed, STEP_BYTES))
                packed = inflater.unconsumed_tail


def _chunks(data: bytes) -> Iterator[tuple[bytes, Data]]:
    """Yield kind and content of each chunk up to IEND."""
    view, at = memoryview(data), SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + CHUNK_FRAME_BYTES + length
        if end > len(data):
            raise cut_off()
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise damaged()


def _needed_bytes(data: bytes) -> int:
    """Return the length of the unpacked image data: each row with a filter byte before it."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    depth, colour, interlace = data[24], data[25], data[28]
    if colour not in CHANNELS:
        raise damaged()
    bits = depth * CHANNELS[colour]
    passes = ADAM7 if interlace else ((0, 0, 1, 1),)
    total = 0
    for column, row, across, down in passes:
        columns, rows = -(-(width - column) // across), -(-(height - row) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total
