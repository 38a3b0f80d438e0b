"""What a look into a file finds, and how it says that a file is not to be used."""

from typing import Final, NamedTuple

PARSE_ERROR: Final = "{}_parse_error"
TOO_LARGE: Final = "{}_too_large"
UNSUPPORTED: Final = "unsupported_{}_format"


class Refused(Exception):
    """A file is not to be used; `{}` in its code becomes the kind of medium."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


class Outline(NamedTuple):
    """Where a picture's own format says that the file ends, and how many frames it has."""

    end: int
    frames: int


class Limits(NamedTuple):
    """How large a file may turn out to be."""

    max_frames: int  # of an animated picture
    max_side: int  # pixels; what is larger is not decoded


def cut_off() -> Refused:
    """Return the error for a file that ends before its end."""
    return Refused(PARSE_ERROR, "is cut off before its end. Send the whole file.")


def damaged() -> Refused:
    """Return the error for a file that no decoder reads to its end."""
    return Refused(PARSE_ERROR, "is damaged and cannot be decoded. Send another file.")
