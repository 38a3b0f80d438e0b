"""What happened when: each request's latency over the time of the load, step by step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.report.axis import Axis, clock, decades
from loadtests.report.figures import count, known, percent, seconds
from loadtests.report.folder import Run, Seen
from loadtests.report.marks import Band, Dots, Line, Rail
from loadtests.report.plot import Mark, Plot
from loadtests.result import Quantile, StepResult

MOST_DOTS: Final = 3000  # of requests; each has two
SLOWEST: Final = 200  # of them are drawn in any case
MOST_FAILED: Final = 1000  # of those that failed are drawn
FIRST, ANSWER, FAILED = 1, 2, 8  # looks that mean the same on the whole page


@dataclass(frozen=True, slots=True)
class Thinned:
    """Requests to draw, and in words which of them are."""

    shown: Sequence[Seen]
    said: str


def thinned(requests: Sequence[Seen]) -> Thinned:
    """Take as many as can be told apart: one in so many, the slowest, and those that failed."""
    whole = len(requests)
    if whole <= MOST_DOTS:
        return Thinned(requests, "Every request is shown.")
    every = math.ceil(whole / MOST_DOTS)
    slow = sorted(range(whole), key=lambda n: -(requests[n].ttfat or 0.0))[:SLOWEST]
    failed = [n for n, each in enumerate(requests) if each.failed]
    kept = failed[:: math.ceil(len(failed) / MOST_FAILED) or 1]
    chosen = sorted({*range(0, whole, every), *slow, *kept})
    said = (
        f"{count(len(chosen))} of {count(whole)} requests are shown: one in {every}, the {SLOWEST} "
        f"slowest, and {count(len(kept))} of the {count(len(failed))} that failed."
    )
    return Thinned([requests[n] for n in chosen], said)


def time_axis(run: Run) -> Axis:
    """Return the time of a run: until nothing was in flight after its last step."""
    ends = [step.ended_seconds + step.drain_seconds for step in run.summary.steps]
    ends += [each.scheduled_seconds for each in run.requests[-1:]]
    return clock(max(ends, default=1.0))


def latency(run: Run) -> Plot:
    """Draw a dot for each request's first token and first answer token, and those that failed."""
    dots = thinned(run.requests).shown
    first = [(r.scheduled_seconds, t) for r in dots if (t := r.ttft) is not None]
    answer = [(r.scheduled_seconds, t) for r in dots if (t := r.ttfat) is not None]
    failed = [r.scheduled_seconds for r in dots if r.failed]
    marks: list[Mark] = [
        *bands(run, named=True),
        Dots("first token", FIRST, first),
        Dots("first answer token", ANSWER, answer),
        Rail("failed", FAILED, failed),
    ]
    for name, look in (("ttft", FIRST), ("ttfat", ANSWER)):
        for step in run.summary.steps:
            marks += _middle(step, name, look)
    times = [value for _, value in first + answer]
    return Plot(
        id="latency",
        title="Latency over time",
        told=_told(run.summary.steps) or "No step was counted.",
        x=time_axis(run),
        y=decades(times),
        marks=tuple(marks),
        height=300,
        empty="" if times else "No request got a token",
    )


def bands(run: Run, *, named: bool = False) -> Iterator[Band]:
    """Mark the steps: their names, the one that stands for the run, and what was not counted."""
    steps, best = run.summary.steps, run.summary.verdict.best_step
    if len(steps) > 1:
        for step in steps:
            chosen = step.index == best
            name = short(step) if named else ""
            if chosen or named:
                yield Band(step.began_seconds, step.ended_seconds, name, chosen=chosen)
    for step in steps:
        yield Band(step.began_seconds, step.counted_from_seconds, faint=True)


def short(step: StepResult) -> str:
    """Name a step where there is little place: users, or a rate."""
    if step.users is not None:
        return count(step.users)
    if step.rate_per_second is None:
        return step.label
    until = step.until_rate_per_second
    ends = [step.rate_per_second] + [until] * (until is not None)
    return "–".join(f"{each:g}" for each in ends)


def unit(steps: Sequence[StepResult]) -> str:
    """Say what the short names of steps count."""
    return "users" if any(step.users is not None for step in steps) else "requests/s offered"


def _middle(step: StepResult, name: str, look: int) -> Iterator[Line]:
    """Draw a step's median over the time it counted."""
    found: Quantile = getattr(step.all, name).p50
    if (value := known(found.value)) is not None:
        ends = [(step.counted_from_seconds, value), (step.ended_seconds, value)]
        title = "first token, median" if name == "ttft" else "first answer token, median"
        yield Line(f"{title} of {step.label}", look, ends)


def _told(steps: Sequence[StepResult]) -> str:
    return " ".join(
        f"{step.label}: median time to first token {seconds(step.all.ttft.p50.value)}, "
        f"to first answer token {seconds(step.all.ttfat.p50.value)}, "
        f"{percent(step.all.answered.value)} answered."
        for step in steps
    )
