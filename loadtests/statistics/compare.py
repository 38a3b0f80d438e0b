"""Two sides of runs, before and after: what has changed, and what is noise; pure.

Each side is one summary or several. Several tell how much runs vary that nobody changed; with one
a side that is not known, and no difference is called sure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from loadtests.result import Quantile, Row, Share, Summary
from loadtests.statistics.intervals import CONFIDENCE, Estimate, difference, mean, normal, student_t
from loadtests.statistics.sides import check_alike, common_loads, rows_of

MOST = 1e6  # times; what grew by more is endless


class Says(StrEnum):
    """What can be said of a change."""

    BETTER = "better"
    WORSE = "worse"
    NOISE = "within the noise"
    TOO_FEW = "too few samples"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a row that is compared: relatively by its logarithm, a share in points."""

    name: str
    read: Callable[[Row], Estimate | None]
    less_is_better: bool = True
    relative: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """How one metric of one load has changed: 0.05 is 5 % more, or 5 points of a share more.

    `low` and `high` are its 95 % confidence interval. It is `sure` only where runs of one side
    were compared with each other, too.
    """

    load: str
    metric: Metric
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    says: Says
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, and what differs between the runs beside the load."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    runs: tuple[int, int]

    def text(self) -> str:
        """Render it as a table, one line a metric of a load."""
        lines = [f"Warning: {warning}" for warning in self.warnings]
        wide = max(len(change.load) for change in self.changes)
        name = max(len(metric.name) for metric in METRICS)
        lines += [f"{c.load:<{wide}}  {c.metric.name:<{name}}  {_told(c)}" for c in self.changes]
        if sum(self.runs) == 2:
            lines.append(
                "One run a side: how much runs vary is not known, so that no difference is sure. "
                "Give several runs of each side."
            )
        return "\n".join(lines)


def compare(before: Sequence[Summary], after: Sequence[Summary]) -> Comparison:
    """Compare every load that all runs have, over requests of all kinds; raises LoadError."""
    warnings = check_alike(before, after)
    loads = common_loads(before, after)
    changes = tuple(
        change_of(metric, load, rows_of(before, load), rows_of(after, load))
        for load in loads
        for metric in METRICS
    )
    left_out = sorted({step.label for s in (*before, *after) for step in s.steps} - {*loads})
    if left_out:
        warnings.append(f"not every run has the load {', '.join(left_out)}; it is left out.")
    return Comparison(changes, tuple(warnings), (len(before), len(after)))


def change_of(metric: Metric, load: str, before: Sequence[Row], after: Sequence[Row]) -> Change:
    """Compare one metric of the rows of both sides."""
    old = [e for row in before if (e := metric.read(row))]
    new = [e for row in after if (e := metric.read(row))]
    if not old or not new:
        return Change(load, metric, _mean(old), _mean(new), None, None, None, Says.TOO_FEW)
    change = scaled_change(metric, old, new)
    says = said(metric, change)
    return Change(
        load=load,
        metric=metric,
        before=_mean(old),
        after=_mean(new),
        change=unscaled(metric, change.value),
        low=None if change.low is None else unscaled(metric, change.low),
        high=None if change.high is None else unscaled(metric, change.high),
        says=says,
        sure=len(old) + len(new) > 2 and says in {Says.BETTER, Says.WORSE},
    )


def _mean(estimates: Sequence[Estimate]) -> float | None:
    return fmean(e.value for e in estimates) if estimates else None


def scaled_change(
    metric: Metric, before: Sequence[Estimate], after: Sequence[Estimate]
) -> Estimate:
    """Return the change, on a logarithm's scale where it is relative, and its 95 % interval."""
    sides = [scaled(metric, before), scaled(metric, after)]
    change = apart(mean(sides[0]), mean(sides[1]))
    return with_runs(change, [[e.value for e in side] for side in sides])


def with_runs(change: Estimate, sides: Sequence[Sequence[float]]) -> Estimate:
    """Make an interval as wide as the runs of each side make it, where that is more."""
    spare = between_runs(sides)
    if spare is None or change.low is None or change.high is None or math.isinf(change.value):
        return change
    low, high = min(change.low, change.value - spare), max(change.high, change.value + spare)
    return Estimate(change.value, low, high)


def between_runs(sides: Sequence[Sequence[float]]) -> float | None:
    """Return half the interval of a difference from how the runs of each side vary.

    Student's interval with the pooled variance; None for one run a side.
    """
    degrees = sum(len(side) - 1 for side in sides)
    if not degrees:
        return None
    if not all(math.isfinite(value) for side in sides for value in side):
        return math.inf
    squares = sum((value - fmean(side)) ** 2 for side in sides for value in side)
    weight = sum(1 / len(side) for side in sides)
    return student_t(CONFIDENCE, degrees) * math.sqrt(squares / degrees * weight)


def said(metric: Metric, change: Estimate, confidence: float = CONFIDENCE) -> Says:
    """Say what a change means, at another confidence than its interval's if asked for."""
    bounds = widened(change, confidence)
    if bounds is None:
        return Says.TOO_FEW
    if bounds[0] > 0:
        return Says.WORSE if metric.less_is_better else Says.BETTER
    if bounds[1] < 0:
        return Says.BETTER if metric.less_is_better else Says.WORSE
    return Says.NOISE


def widened(change: Estimate, confidence: float) -> tuple[float, float] | None:
    """Return the interval of a change at another confidence; None where it has none."""
    if change.low is None or change.high is None:
        return None
    if math.isinf(change.value):
        return change.low, change.high
    wider = normal(confidence) / normal(CONFIDENCE)
    down, up = (change.value - change.low) * wider, (change.high - change.value) * wider
    return change.value - down, change.value + up


def apart(before: Estimate, after: Estimate) -> Estimate:
    """Return a difference; where a side never comes, its intervals alone say which is more."""
    if math.isfinite(before.value) and math.isfinite(after.value):
        return difference(before, after)
    if before.value == after.value:
        return Estimate(0.0, -math.inf, math.inf)
    more = after.value > before.value
    lower, higher = (before, after) if more else (after, before)
    apart = lower.high is not None and higher.low is not None and lower.high < higher.low
    change = math.inf if more else -math.inf
    if not apart:
        return Estimate(change, -math.inf, math.inf)
    return Estimate(change, change, change)


def scaled(metric: Metric, estimates: Sequence[Estimate]) -> list[Estimate]:
    """Return estimates on the scale on which they are compared."""
    if not metric.relative:
        return list(estimates)
    return [
        Estimate(_log(e.value), *(None if b is None else _log(b) for b in (e.low, e.high)))
        for e in estimates
    ]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def unscaled(metric: Metric, value: float) -> float:
    """Return a change as a part of what was before, or in points of a share."""
    if not metric.relative:
        return value
    return math.expm1(value) if value < math.log(MOST) else math.inf


def _quantile(name: str, percentile: str) -> Callable[[Row], Estimate | None]:
    def read(row: Row) -> Estimate | None:
        quantile: Quantile = getattr(getattr(row, name), percentile)
        value = _number(quantile.value)
        if value is None:
            return None
        return Estimate(value, _number(quantile.low), _number(quantile.high))

    return read


def _share(name: str) -> Callable[[Row], Estimate | None]:
    def read(row: Row) -> Estimate | None:
        share: Share = getattr(row, name)
        return None if share.value is None else Estimate(share.value, share.low, share.high)

    return read


def _rate(name: str) -> Callable[[Row], Estimate | None]:
    def read(row: Row) -> Estimate | None:
        value: float = getattr(row.per_second, name)
        if row.per_second_error is None:
            return None
        error = getattr(row.per_second_error, name)
        return Estimate(value, max(value - error, 0.0), value + error)

    return read


METRICS = (
    *(
        Metric(f"{name} {percentile}", _quantile(name, percentile))
        for name in ("ttft", "ttfat", "tpot", "e2e")
        for percentile in ("p50", "p95")
    ),
    Metric("output_speed p50", _quantile("output_speed", "p50"), less_is_better=False),
    *(Metric(n, _share(n), less_is_better=False, relative=False) for n in ("answered", "right")),
    Metric("requests per second", _rate("requests"), less_is_better=False),
    Metric("output tokens per second", _rate("output_tokens"), less_is_better=False),
)


def _number(value: float | str | None) -> float | None:
    """Return seconds as a number; "never" is infinite."""
    return math.inf if isinstance(value, str) else value


def _told(change: Change) -> str:
    if change.change is None or change.before is None or change.after is None:
        return f"{change.says}"
    numbers = f"{_shown(change.before)} -> {_shown(change.after)}"
    unsure = not change.sure and change.says in {Says.BETTER, Says.WORSE}
    says = f"{change.says}{', not sure' if unsure else ''}"
    if math.isinf(change.before) or math.isinf(change.after):
        return f"{numbers}: {says}"
    unit = "%" if change.metric.relative else "points"
    interval = ""
    if change.low is not None and change.high is not None:
        interval = f" ({change.low * 100:+z.1f} to {change.high * 100:+z.1f})"
    return f"{numbers}  {change.change * 100:+z.1f}{interval} {unit}: {says}"


def _shown(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.4g}"
