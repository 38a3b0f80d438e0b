"""What is asked: one question with what is known of its answer, and its body as it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Pictures(StrEnum):
    """Whether the pictures of a request were sent before in this run."""

    NONE = "none"
    COLD = "cold"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question: messages and parameters of a chat request, without model and streaming.

    `right` tells from answer text (and the tool calls, as JSON text of a list) whether it is
    right; None where nobody knows. `max_tokens` holds thought and answer together.
    """

    kind: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int
    right: Callable[[str, str], bool] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pictures: Pictures = Pictures.NONE
    picture_count: int = 0
    conversation: int | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt with its number in the run and its body as it goes over the wire."""

    number: int
    prompt: Prompt
    body: bytes
