"""What stands behind a picture's end.

Cameras and phones put much there: further JPEGs (MPF), a short film, their own notes, zeros. A file
that is also a program, a page or an archive is made to be taken for something else.
"""

import re
from typing import Final

from serving.gateway.inspection.finding import UNSUPPORTED, Refused

FIRST: Final = {
    "a ZIP archive": re.compile(rb"[\0\s]*PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    "a Windows program": re.compile(rb"[\0\s]*MZ"),
    "a script": re.compile(rb"[\0\s]*#!"),
}
ANYWHERE: Final = {
    "HTML or a script": re.compile(
        rb"<(?:script|html|svg|iframe|body|!doctype html|\?php)\b", re.IGNORECASE
    ),
    "a PDF": re.compile(rb"%PDF-\d"),
    "a program": re.compile(rb"\x7fELF[\x01\x02][\x01\x02]\x01"),
    "a RAR archive": re.compile(rb"Rar!\x1a\x07"),
    "a 7z archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
}
ZIP_END: Final = b"PK\x05\x06"
ZIP_END_BYTES: Final = 22
MAX_ZIP_COMMENT_BYTES: Final = 65_535


def check_tail(data: bytes, end: int) -> None:
    """Raise Refused where another format begins behind a picture's end."""
    if end >= len(data):
        return
    for name, form in FIRST.items():
        if form.match(data, end):
            raise _refused(name)
    for name, form in ANYWHERE.items():
        if form.search(data, end):
            raise _refused(name)
    if _ends_as_zip(data, end):
        raise _refused("a ZIP archive")


def _ends_as_zip(data: bytes, end: int) -> bool:
    """Tell whether an archive's last record reaches exactly to the end, as unpackers look for."""
    at = data.rfind(ZIP_END, max(end, len(data) - ZIP_END_BYTES - MAX_ZIP_COMMENT_BYTES))
    if at < 0 or at + ZIP_END_BYTES > len(data):
        return False
    return at + ZIP_END_BYTES + int.from_bytes(data[at + 20 : at + 22], "little") == len(data)


def _refused(name: str) -> Refused:
    return Refused(UNSUPPORTED, f"holds {name} behind the picture. Send the picture alone.")
