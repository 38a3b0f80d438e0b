"""Where a request's time went: its stages, whose seconds add up to all of it."""

from enum import StrEnum
from typing import Final

import msgspec


class Stage(StrEnum):
    """What a request is busy with, in the order in which it usually comes to it."""

    RECEIVED = "received"  # its headers are there, its body arrives
    ADMITTED = "admitted"  # key and limits are checked, the body is read, the output is planned
    MEDIA = "media"  # pictures and videos are fetched and checked
    QUEUED = "queued"  # waits in the gateway for a place at the engine
    PREPROCESSING = "preprocessing"  # on its way; the engine's front makes tokens and patches of it
    ENGINE_QUEUE = "engine_queue"  # waits in the engine to be scheduled
    PREFILL = "prefill"  # the prompt is computed, pictures are encoded
    THINKING = "thinking"  # first token of the thought to the first of the answer
    ANSWER = "answer"  # first token of the answer to the end


# While the engine works on a first token nobody knows which of these it is.
BEFORE_FIRST_TOKEN: Final = (Stage.PREPROCESSING, Stage.ENGINE_QUEUE, Stage.PREFILL)


class EngineTimes(msgspec.Struct):
    """What vLLM says of one answer's times in ms; None where it does not know."""

    queue_time_ms: float | None = None
    time_to_first_token_ms: float | None = None  # from being scheduled, so that it is the prefill
    generation_time_ms: float | None = None  # first to last token


class Timeline:
    """A request's way through the stages; all times in seconds of one monotonic clock."""

    __slots__ = ("_since", "seconds", "stage")

    def __init__(self, now: float) -> None:
        self._since = now
        self.stage = Stage.RECEIVED
        self.seconds: dict[Stage, float] = {}

    def enter(self, stage: Stage, now: float) -> None:
        """Leave the stage before for this one; a stage can be entered again and adds up."""
        seconds = self.seconds
        seconds[self.stage] = seconds.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now

    def end(self, now: float) -> None:
        """Close the stage that goes on."""
        self.enter(self.stage, now)

    def split_first_token(self, times: EngineTimes) -> None:
        """Divide the wait for a stream's first token by the engine's own times."""
        self._divide(self.seconds.pop(Stage.PREFILL, 0.0), times)

    def split_whole(self, times: EngineTimes | None, thinking_share: float) -> None:
        """Divide the wait for a whole answer, whose tokens nobody saw come.

        The engine says how long it generated; the thought has of it its share of the tokens.
        """
        wait = self.seconds.pop(Stage.PREFILL, 0.0)
        said = times.generation_time_ms if times else None
        generated = wait if said is None else min(wait, said / 1000)
        self.seconds[Stage.THINKING] = generated * thinking_share
        self.seconds[Stage.ANSWER] = (
            self.seconds.get(Stage.ANSWER, 0.0) + generated - self.seconds[Stage.THINKING]
        )
        if times:
            self._divide(wait - generated, times)

    def _divide(self, wait: float, times: EngineTimes) -> None:
        if times.queue_time_ms is None or times.time_to_first_token_ms is None:
            self.seconds[Stage.PREFILL] = wait
            return
        queue = min(wait, times.queue_time_ms / 1000)
        prefill = min(wait - queue, times.time_to_first_token_ms / 1000)
        self.seconds[Stage.ENGINE_QUEUE] = queue
        self.seconds[Stage.PREFILL] = prefill
        self.seconds[Stage.PREPROCESSING] = wait - queue - prefill
