"""What a right answer is: the words it must hold and those it must not, whatever stands around."""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class ShippedPicture:
    """A picture with its question; `accepted` holds groups of words that mean the same.

    A right answer has a word of each group and none of `rivals`, which would be wrong answers.
    """

    file: str
    question: str
    accepted: tuple[tuple[str, ...], ...]
    rivals: tuple[str, ...]

    @property
    def media_type(self) -> str:
        """The picture's type as HTTP writes it."""
        return f"image/{self.file.rpartition('.')[2]}"

    @property
    def base64(self) -> str:
        """The file, encoded."""
        return base64.b64encode(_folder().joinpath(self.file).read_bytes()).decode()

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return f"data:{self.media_type};base64,{self.base64}"

    @property
    def part(self) -> dict[str, Any]:
        """The picture as a part of a chat message."""
        return {"type": "image_url", "image_url": {"url": self.url}}

    def is_answered_by(self, text: str) -> bool:
        """Say whether an answer is right."""
        return all(names(text, group) for group in self.accepted) and not names(text, self.rivals)


@cache
def shipped_pictures() -> tuple[ShippedPicture, ...]:
    """Read the manifest."""
    entries = json.loads(_folder().joinpath("manifest.json").read_text(encoding="utf-8"))
    return tuple(
        ShippedPicture(
            file=entry["file"],
            question=entry["question"],
            accepted=tuple(tuple(group) for group in entry["accepted"]),
            rivals=tuple(entry["rivals"]),
        )
        for entry in entries
    )


def names(text: str, words: Iterable[str]) -> bool:
    """Say whether a text holds one of the words, as a word of its own."""
    pattern = "|".join(map(re.escape, words))
    return bool(pattern) and re.search(rf"\b(?:{pattern})\b", text.lower()) is not None


def _folder() -> Any:
    return resources.files("serving.verify").joinpath("pictures")
