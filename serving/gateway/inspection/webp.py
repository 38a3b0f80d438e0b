"""The structure of a WEBP file: as long as it says, its frames counted."""

from typing import Final

from serving.gateway.inspection.finding import Outline, cut_off, damaged

HEADER_BYTES: Final = 12
CHUNK_HEADER_BYTES: Final = 8
MAX_CHUNKS: Final = 65_536


def outline(data: bytes) -> Outline:
    """Walk the chunks; raises Refused for a file shorter than it says."""
    end = CHUNK_HEADER_BYTES + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise cut_off()
    at, frames = HEADER_BYTES, 0
    for _ in range(MAX_CHUNKS):
        if at + CHUNK_HEADER_BYTES > end:
            return Outline(end + end % 2, max(1, frames))
        frames += data[at : at + 4] == b"ANMF"
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += CHUNK_HEADER_BYTES + size + size % 2
    raise damaged()
