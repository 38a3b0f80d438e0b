"""One JSON line for each request, after a first line that says which run it was: the raw truth."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from loadtests.client import Exchange, Outcome
from loadtests.workloads import Request, is_right


@dataclass(frozen=True, slots=True)
class Record:
    """One request: `sent_seconds` since the load began, all other times since it was sent."""

    number: int
    kind: str
    picture: int | None
    sent_seconds: float
    first_byte_seconds: float | None
    first_token_seconds: float | None
    first_reasoning_seconds: float | None
    first_answer_seconds: float | None
    last_token_seconds: float | None
    done_seconds: float
    outcome: str
    detail: str
    status: int | None
    finish_reason: str | None
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    fragments: int
    right: bool | None

    @property
    def failed(self) -> bool:
        """Whether the request got no complete answer."""
        return self.outcome != Outcome.ANSWERED


def record(request: Request, exchange: Exchange, began: float) -> Record:
    """Write down what an exchange showed; `began` is the `perf_counter` start of the load."""

    def since_sent(moment: float | None) -> float | None:
        return None if moment is None else round(moment - exchange.sent, 6)

    answered = exchange.outcome is Outcome.ANSWERED
    return Record(
        number=request.number,
        kind=request.prompt.kind,
        picture=request.prompt.picture,
        sent_seconds=round(exchange.sent - began, 6),
        first_byte_seconds=since_sent(exchange.first_byte),
        first_token_seconds=since_sent(exchange.first_token),
        first_reasoning_seconds=since_sent(exchange.first_reasoning),
        first_answer_seconds=since_sent(exchange.first_answer),
        last_token_seconds=since_sent(exchange.last_token),
        done_seconds=since_sent(exchange.done) or 0.0,
        outcome=exchange.outcome,
        detail=exchange.detail,
        status=exchange.status,
        finish_reason=exchange.finish_reason,
        model=exchange.model,
        prompt_tokens=_count(exchange.usage, "prompt_tokens"),
        completion_tokens=_count(exchange.usage, "completion_tokens"),
        reasoning_tokens=_detail(exchange.usage, "completion_tokens_details", "reasoning_tokens"),
        cached_tokens=_detail(exchange.usage, "prompt_tokens_details", "cached_tokens"),
        fragments=exchange.fragments,
        right=is_right(request.prompt, "".join(exchange.answer)) if answered else None,
    )


class RecordFile:
    """Writes records as they come, so that a run that is killed leaves what it had."""

    def __init__(self, file: TextIO, run: Mapping[str, Any]) -> None:
        self._file = file
        self._line({"run": run})

    def write(self, line: Record) -> None:
        """Append one record."""
        self._line(asdict(line))

    def _line(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()


@contextmanager
def record_file(path: Path, run: Mapping[str, Any]) -> Iterator[RecordFile]:
    """Open a new file of records; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        yield RecordFile(file, run)


def read_records(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """Read a file back: the run and its records."""
    with path.open(encoding="utf-8") as file:
        run = json.loads(next(file))["run"]
        return run, [Record(**json.loads(line)) for line in file]


def _count(usage: Any, name: str) -> int | None:
    """Return a count that the server gave; anything else counts as not given."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else None


def _detail(usage: Any, group: str, name: str) -> int | None:
    return _count(usage.get(group), name) if isinstance(usage, dict) else None
