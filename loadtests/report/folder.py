"""What a results folder holds, read as far as the page needs it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from loadtests.failure import LoadError
from loadtests.observed import Reading
from loadtests.outcome import Outcome
from loadtests.result import StepResult, Summary, read_summary

Line = TypeVar("Line")

REQUESTS, SUMMARY, METRICS = "requests.jsonl", "summary.json", "metrics.jsonl"
CSV, PAGE = "summary.csv", "report.html"


def new_folder(out: Path, told: Mapping[str, Any]) -> Path:
    """Make the folder of a run, named by its moment and its scenario; raises OSError.

    Of runs of one scenario that begin in the same second, the later ones are numbered.
    """
    moment = told["date"].replace("-", "").replace(":", "").partition("+")[0]
    name = "-".join(re.findall(r"[a-z0-9]+", Path(told["scenario"]).stem.lower()))
    out.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = out / (f"{moment}Z-{name}" + (f"-{number}" if number > 1 else ""))
        with suppress(FileExistsError):
            folder.mkdir()
            break
    return folder


class Seen(msgspec.Struct, frozen=True):
    """The part of a `Record` that is drawn; its events' times, most of a file, are left out."""

    kind: str
    step: int
    scheduled_seconds: float
    sent_seconds: float
    outcome: Outcome
    detail: str = ""
    status: int | None = None
    first_token_seconds: float | None = None
    first_answer_seconds: float | None = None

    def since_scheduled(self, seconds: float | None) -> float | None:
        """Return a time since the request was due, from one since it was sent."""
        if seconds is None:
            return None
        return max(0.0, seconds + self.sent_seconds - self.scheduled_seconds)

    @property
    def ttft(self) -> float | None:
        """Return the seconds from its time to its first token."""
        return self.since_scheduled(self.first_token_seconds)

    @property
    def ttfat(self) -> float | None:
        """Return the seconds from its time to its first answer token."""
        return self.since_scheduled(self.first_answer_seconds)

    @property
    def failed(self) -> bool:
        """Whether it got no complete answer."""
        return self.outcome is not Outcome.ANSWERED


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over: its summary, requests by their time, and what was observed of it."""

    summary: Summary
    requests: Sequence[Seen]
    readings: Sequence[Reading]

    def counted(self, step: StepResult) -> list[Seen]:
        """Return the requests that were due while a step counted."""
        since, until = step.counted_from_seconds, step.ended_seconds
        return [
            each
            for each in self.requests
            if each.step == step.index and since <= each.scheduled_seconds < until
        ]

    @property
    def shown_step(self) -> StepResult | None:
        """Return the step that stands for the run."""
        return shown_step(self.summary)


def shown_step(summary: Summary) -> StepResult | None:
    """Return the highest load that met the objectives; where none did, the last that counted."""
    best = [step for step in summary.steps if step.index == summary.verdict.best_step]
    counted = [step for step in summary.steps if step.all.requests]
    return next(iter([*best, *counted[::-1], *summary.steps]), None)


def read_run(folder: Path) -> Run:
    """Read a folder; raises LoadError where it is none of a load test's.

    Without metrics there are no readings; lines that a killed run left unfinished are left out.
    """
    try:
        summary = read_summary(folder / SUMMARY)
        requests = _lines(folder / REQUESTS, Seen, skip=1)
    except OSError as error:
        raise LoadError(f"{folder} is no results folder: {error}.") from None
    except msgspec.MsgspecError as error:
        raise LoadError(f"{folder} cannot be read: {error}.") from None
    readings: list[Reading] = []
    if (folder / METRICS).exists():
        readings = _lines(folder / METRICS, Reading)
    ordered = sorted(requests, key=lambda each: each.scheduled_seconds)
    return Run(summary, ordered, readings)


def _lines(path: Path, kind: type[Line], *, skip: int = 0) -> list[Line]:
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        return [decoder.decode(line) for line in islice(file, skip, None) if line.endswith(b"\n")]
