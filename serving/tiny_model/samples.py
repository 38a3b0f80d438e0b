"""One question with its thought and answer, and the pictures that it is about."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from serving.tiny_model.digits import Note, Page
from serving.tiny_model.scenes import Pair, Scene

Message = dict[str, Any]
Picture: TypeAlias = Scene | Pair | Note | Page


@dataclass(frozen=True, slots=True)
class Sample:
    """What is asked, thought and answered.

    `messages` hold an `{"type": "image"}` part for each of the `pictures` in their order, or one
    `{"type": "video"}` part: then each picture is what two frames of the video show.
    """

    task: str
    messages: tuple[Message, ...]
    thought: str
    answer: str
    pictures: tuple[Picture, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
