"""The structure of a GIF file: blocks up to the trailer or the file's end, its frames counted."""

from typing import Final

from serving.gateway.inspection.finding import Outline, cut_off, damaged

SCREEN_BYTES: Final = 13
TRAILER: Final = 0x3B
FRAME_BYTES: Final = 10


def outline(data: bytes) -> Outline:
    """Walk the blocks; raises Refused for a file that ends within one of them."""
    try:
        return _walk(data)
    except IndexError:
        raise cut_off() from None


def _walk(data: bytes) -> Outline:
    at, frames = SCREEN_BYTES + _table_bytes(data[10]), 0
    # Some encoders leave the trailer out; browsers and the engine do not miss it behind a frame.
    while not (frames and at == len(data)) and (kind := data[at]) != TRAILER:
        match kind:
            case 0:  # one block end too many, as some encoders write
                at += 1
            case 0x21:  # extension
                at = _after_blocks(data, at + 2)
            case 0x2C:  # frame
                frames += 1
                at += FRAME_BYTES + _table_bytes(data[at + FRAME_BYTES - 1])
                at = _after_blocks(data, at + 1)
            case _:
                raise damaged()
    if not frames:
        raise damaged()
    return Outline(min(at + 1, len(data)), frames)


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1
