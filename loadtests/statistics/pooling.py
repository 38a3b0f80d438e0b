"""One change from many parts of runs: of each load, and of each kind of request; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loadtests.result import Summary
from loadtests.statistics.compare import Metric, apart, scaled, with_runs
from loadtests.statistics.intervals import Estimate, mean
from loadtests.statistics.sides import has_load, rows_of, step_of

LEAST_WIDTH = 1e-9  # a part that shows no spread at all does not weigh endlessly


@dataclass(frozen=True)
class Part:
    """One metric in one part of every run, on the scale on which it is compared."""

    before: Sequence[Estimate]
    after: Sequence[Estimate]

    @cached_property
    def change(self) -> Estimate:
        """Return how much it changed, as sure as the requests make it."""
        return apart(mean(self.before), mean(self.after))

    @property
    def never_again(self) -> bool:
        """Tell whether it surely comes on one side and never on the other."""
        return math.isinf(self.change.value) and self.change.low == self.change.high

    @cached_property
    def arms(self) -> tuple[float, float] | None:
        """Return how far its interval reaches down and up; None where it says nothing."""
        low, high = self.change.low, self.change.high
        if low is None or high is None:
            return None
        arms = self.change.value - low, high - self.change.value
        return arms if all(map(math.isfinite, arms)) else None

    @property
    def precision(self) -> float:
        """Return its weight: the inverse of its variance."""
        return max(sum(self.arms or ()), LEAST_WIDTH) ** -2


def pooled(
    metric: Metric, before: Sequence[Summary], after: Sequence[Summary], *, by_kind: bool
) -> Estimate | None:
    """Return the change of a metric over all loads; None where no part has enough requests.

    With `by_kind` each kind of request is compared for itself, since kinds differ more than the
    requests of one.
    """
    parts = []
    for load in dict.fromkeys(step.label for step in after[0].steps):
        rows = step_of(after[0], load).rows
        for row in rows[:-1] if by_kind and rows[:-1] else rows[-1:]:
            sides = [_side(metric, runs, load, row.kind) for runs in (before, after)]
            if all(sides):
                parts.append(Part(*sides))
    return weighted(parts)


def weighted(parts: Sequence[Part]) -> Estimate | None:
    """Return the weighted mean of the parts' changes with its interval.

    The requests of one part are independent of another's. How much runs vary is asked of whole
    runs, for a slow run is slow in all its parts.
    """
    endless = next((part.change for part in parts if part.never_again), None)
    kept = [part for part in parts if part.arms]
    if endless or not kept:
        return endless
    whole = sum(part.precision for part in kept)
    weights = [part.precision / whole for part in kept]
    arms = [part.arms or (0.0, 0.0) for part in kept]
    value = _dot(weights, [part.change.value for part in kept])
    down, up = (
        math.hypot(*(w * arm[end] for w, arm in zip(weights, arms, strict=True))) for end in (0, 1)
    )
    sides = [
        [_dot(weights, [e.value for e in run]) for run in zip(*estimates, strict=True)]
        for estimates in ([part.before for part in kept], [part.after for part in kept])
    ]
    return with_runs(Estimate(value, value - down, value + up), sides)


def _side(metric: Metric, runs: Sequence[Summary], load: str, kind: str) -> list[Estimate]:
    """Return one estimate a run; none at all where a run has none."""
    rows = rows_of([run for run in runs if has_load(run, load)], load, kind)
    estimates = [estimate for row in rows if (estimate := metric.read(row))]
    return scaled(metric, estimates) if len(estimates) == len(runs) else []


def _dot(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))
