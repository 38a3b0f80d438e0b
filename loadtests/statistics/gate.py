"""Whether a change may go on: objectives kept, and nothing surely worse than the baseline; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.failure import LoadError
from loadtests.result import Summary
from loadtests.statistics.compare import METRICS, Metric, Says, said, unscaled, widened
from loadtests.statistics.intervals import CONFIDENCE, Estimate
from loadtests.statistics.pooling import pooled
from loadtests.statistics.sides import check_alike, common_loads
from loadtests.verdict import Exit, exit_code

LATENCIES = ("ttft p50", "ttfat p50", "tpot p50")
OVERALL = ("answered", "output tokens per second")
GUARDED = tuple(metric for metric in METRICS if metric.name in {*LATENCIES, *OVERALL})
# Each of the five may break the gate by chance: at 98 % each, in one direction, all five together
# do so in at most 5 % of runs in which nothing has changed.
EACH = 1 - 2 * (1 - CONFIDENCE) / len(GUARDED)


@dataclass(frozen=True, slots=True)
class Guarded:
    """One metric against the baseline, over all loads and kinds together."""

    metric: Metric
    reason: str
    broken: bool = False
    worse: float | None = None  # 0.05: 5 % (or 5 points) worse; less than 0: better
    low: float | None = None  # of its 98 % confidence interval
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What was decided, and why."""

    exit_code: Exit
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    guarded: tuple[Guarded, ...]

    def text(self) -> str:
        """Render it, the decision first."""
        word = {Exit.MET: "PASSED", Exit.MISSED: "BROKEN"}
        lines = [word.get(self.exit_code, f"NOT PASSED: {self.exit_code.name}")]
        lines += [f"  {reason}" for reason in self.reasons]
        lines += [f"  Warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, *(f"  {item.reason}" for item in self.guarded)])


def gate(
    result: Summary, baseline: Sequence[Summary] = (), *, max_regression: float = 0.05
) -> Gate:
    """Judge a result by its objectives and against a baseline, if there is one.

    Broken is what is surely worse where so much as `max_regression` cannot be ruled out. What
    noise can explain breaks nothing. Raises LoadError.
    """
    if not 0 < max_regression < 1:
        raise LoadError(
            f"The bound of a regression must lie between 0 and 1, such as 0.05 for 5 %, not "
            f"{max_regression:g}."
        )
    warnings = check_alike(baseline, [result]) if baseline else []
    if baseline:
        common_loads(baseline, [result])
    guarded = _guarded(result, baseline, max_regression) if baseline else ()
    return Gate(_exit_code(result, guarded), (result.verdict.sentence,), tuple(warnings), guarded)


def _exit_code(result: Summary, guarded: Sequence[Guarded]) -> Exit:
    """Return the code of the run itself, unless a bound is broken in one that can be trusted."""
    code = exit_code(result)
    if code in {Exit.MET, Exit.UNDECIDED} and any(item.broken for item in guarded):
        return Exit.MISSED
    return code


def _guarded(
    result: Summary, baseline: Sequence[Summary], max_regression: float
) -> tuple[Guarded, ...]:
    changes = [
        pooled(metric, baseline, [result], by_kind=metric.name in LATENCIES) for metric in GUARDED
    ]
    pairs = zip(GUARDED, changes, strict=True)
    return tuple(_judged(metric, change, max_regression) for metric, change in pairs)


def _judged(metric: Metric, change: Estimate | None, max_regression: float) -> Guarded:
    bounds = widened(change, EACH) if change else None
    if change is None or bounds is None:
        return Guarded(metric, reason=f"{metric.name}: too few requests to tell")
    worse = (change.value, *bounds)
    if not metric.less_is_better:
        worse = (-change.value, -bounds[1], -bounds[0])
    limit = math.log1p(max_regression) if metric.relative else max_regression
    broken = said(metric, change, EACH) is Says.WORSE and worse[2] >= limit
    shown = [unscaled(metric, value) for value in worse]
    return Guarded(metric, _reason(metric, shown, max_regression, broken), broken, *shown)


def _reason(metric: Metric, shown: Sequence[float], limit: float, broken: bool) -> str:
    unit = "%" if metric.relative else "points"
    worse, low, high = (_side(value, unit) for value in shown)
    interval = "" if math.isinf(shown[0]) else f" ({low} to {high})"
    told = f"{metric.name}: {worse}{interval}"
    if broken:
        return f"{told}: broken, the bound is {limit * 100:g} {unit}"
    if shown[2] >= limit:
        return f"{told}: no regression is proved, but {limit * 100:g} {unit} is not ruled out"
    return f"{told}: kept"


def _side(value: float, unit: str) -> str:
    amount = "endlessly" if math.isinf(value) else f"{abs(value) * 100:.1f} {unit}"
    return f"{amount} {'worse' if value > 0 else 'better'}"
