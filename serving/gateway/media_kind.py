"""Pictures and videos as kinds of media: their words, formats and error codes.

image_parse_error, unsupported_image_format, image_too_large, image_too_small, invalid_image_url,
image_not_found, image_download_failed; the same with `video`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serving.gateway.errors import BadRequest
from serving.gateway.picture import PICTURE_TYPES
from serving.gateway.video import VIDEO_TYPES


@dataclass(frozen=True, slots=True)
class Kind:
    """In what pictures and videos differ, seen from outside."""

    noun: str
    stem: str  # of error codes and media types
    types: Mapping[str, str]  # served formats and their media types

    @property
    def served(self) -> str:
        """Name the served formats."""
        *most, last = self.types
        return f"{', '.join(most)} and {last} {self.noun}s are served"


PICTURE: Final = Kind("picture", "image", PICTURE_TYPES)
VIDEO: Final = Kind("video", "video", VIDEO_TYPES)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture or video stands in the request: what its errors name."""

    kind: Kind
    param: str

    def error(self, code: str, what: str) -> BadRequest:
        """Return an error; `{}` in its code becomes the kind's stem."""
        return BadRequest(
            f"{self.param} {what}", code=code.format(self.kind.stem), param=self.param
        )

    def too_large(self, max_bytes: int) -> BadRequest:
        """Return the error for a file over the limit."""
        return self.error(
            "{}_too_large",
            f"is larger than {max_bytes} bytes. Send a smaller {self.kind.noun}.",
        )
