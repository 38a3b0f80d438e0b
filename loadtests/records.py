"""One JSON line for each request, after a first line that says which run it was: the raw truth."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from loadtests.outcome import Outcome
from loadtests.prompt import Pictures


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request. Times are seconds: two since the load began, all others since `sent_seconds`.

    A time that was not seen is None. In a closed loop nothing is scheduled: `scheduled_seconds`
    equals `sent_seconds`.
    """

    number: int
    kind: str
    step: int
    worker: int = 0
    conversation: int | None = None
    turn: int = 0
    pictures: Pictures = Pictures.NONE
    picture_count: int = 0
    scheduled_seconds: float
    sent_seconds: float
    uploaded_seconds: float | None = None
    headers_seconds: float | None = None
    first_byte_seconds: float | None = None
    first_token_seconds: float | None = None
    first_reasoning_seconds: float | None = None
    first_answer_seconds: float | None = None
    last_token_seconds: float | None = None
    done_seconds: float
    event_gaps_us: tuple[int, ...] = ()  # from each event with text to the next, microseconds
    outcome: Outcome
    detail: str = ""
    status: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    request_id: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None
    cost_usd: float | None = None  # as the endpoint told it
    fragments: int = 0  # events with reasoning, answer or tool call
    body_bytes: int = 0
    right: bool | None = None  # None where the prompt has no known answer

    @property
    def answered(self) -> bool:
        """Whether the request got a complete answer that is not empty."""
        return self.outcome is Outcome.ANSWERED

    @property
    def lateness_seconds(self) -> float:
        """Return how long after its time the request was sent."""
        return self.sent_seconds - self.scheduled_seconds

    def since_scheduled(self, seconds: float | None) -> float | None:
        """Return a time since the request was due, from one since it was sent."""
        return None if seconds is None else seconds + self.lateness_seconds


class RecordFile:
    """Writes records as they come, so that a run that is killed leaves what it had."""

    def __init__(self, file: BinaryIO, run: Mapping[str, Any]) -> None:
        self._file = file
        self._line({"run": run})

    def write(self, record: Record) -> None:
        """Append one record."""
        self._line(record)

    def _line(self, value: object) -> None:
        self._file.write(msgspec.json.encode(value) + b"\n")
        self._file.flush()


@contextmanager
def record_file(path: Path, run: Mapping[str, Any]) -> Iterator[RecordFile]:
    """Open a new file of records; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        yield RecordFile(file, run)


def read_records(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """Read a file back: the run and its records; raises OSError and msgspec.DecodeError.

    A last line that was not written to its end, as a killed run leaves it, is left out.
    """
    with path.open("rb") as file:
        run: dict[str, Any] = msgspec.json.decode(next(file))["run"]
        lines = [line for line in file if line.endswith(b"\n")]
    decoder = msgspec.json.Decoder(Record)
    return run, [decoder.decode(line) for line in lines]
