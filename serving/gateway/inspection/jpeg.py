"""The structure of a JPEG file: segments and scans up to the end marker."""

import re
from typing import Final

from serving.gateway.inspection.finding import TOO_LARGE, Outline, Refused, cut_off, damaged

# Within a scan 0xFF stands before 0 or a restart; every other mark ends it.
MARKER: Final = re.compile(rb"\xff+([^\0\xd0-\xd7\xff])", re.DOTALL)
END: Final = 0xD9
SCAN: Final = 0xDA
BARE: Final = frozenset({0x01, 0xD8})  # no length follows
MAX_SEGMENTS: Final = 65_536
MAX_SCANS: Final = 128  # encoders write up to some 20; each costs a pass over the whole picture


def outline(data: bytes) -> Outline:
    """Walk the segments; raises Refused for a file without its end, or of very many scans."""
    at, scans = 2, 0
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(data, at)
        if found is None:
            raise cut_off()
        at, marker = found.end(), found[1][0]
        if marker == END:
            return Outline(at, 1)
        if marker not in BARE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
        scans += marker == SCAN
        if scans > MAX_SCANS:
            raise Refused(
                TOO_LARGE, f"is made of more than {MAX_SCANS} scans. Save it as a baseline JPEG."
            )
    raise damaged()
