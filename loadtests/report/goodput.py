"""Goodput, a point for each step: which requests met every objective and were answered."""

from collections.abc import Sequence
from typing import Final

from loadtests.report.axis import even, places, share
from loadtests.report.figures import percent, rate
from loadtests.report.marks import Bars, Dots, Line, Note, Whiskers
from loadtests.report.plot import Plot
from loadtests.report.timeline import short, unit
from loadtests.result import StepResult

GOOD, ALL = 6, 7
MOST_NOTES: Final = 10


def attainment(steps: Sequence[StepResult]) -> Plot:
    """Draw the share of good requests of each step with its interval."""
    shown = [(n + 0.5, step.all.good) for n, step in enumerate(steps)]
    points = [(x, 100 * good.value) for x, good in shown if good.value is not None]
    spans = [
        (x, 100 * good.low, 100 * good.high)
        for x, good in shown
        if good.low is not None and good.high is not None
    ]
    notes = [Note((x, y), percent(y / 100)) for x, y in points]
    return Plot(
        id="attainment",
        title="Share of good requests",
        told=" ".join(f"{step.label}: {percent(step.all.good.value)}." for step in steps),
        x=places([short(step) for step in steps], unit(steps)),
        y=share(),
        marks=(
            Line("", GOOD, [*points]),
            Whiskers(GOOD, spans),
            Dots("good", GOOD, points, large=True),
            *(notes if len(steps) <= MOST_NOTES else ()),
        ),
        height=170,
        empty="" if points else "No request was counted",
    )


def goodput(steps: Sequence[StepResult]) -> Plot:
    """Draw good requests per second of each step in front of all that were answered."""
    all_areas, good_areas, notes = [], [], []
    for number, step in enumerate(steps):
        good, whole = step.all.good_per_second, step.all.per_second.requests
        all_areas.append((number + 0.2, number + 0.8, 0.0, max(good, whole)))
        good_areas.append((number + 0.2, number + 0.8, 0.0, good))
        notes.append(Note((number + 0.5, max(good, whole)), rate(good)))
    highest = [area[3] for area in all_areas]
    return Plot(
        id="goodput",
        title="Good requests per second",
        told=" ".join(
            f"{step.label}: {rate(step.all.good_per_second)} of "
            f"{rate(step.all.per_second.requests)} a second."
            for step in steps
        ),
        x=places([short(step) for step in steps], unit(steps)),
        y=even([1.12 * value for value in highest], unit="requests/s", say=lambda v: f"{v:g}"),
        marks=(
            Bars(ALL, all_areas),
            Bars(GOOD, good_areas),
            *(notes if len(steps) <= MOST_NOTES else ()),
        ),
        height=170,
    )
