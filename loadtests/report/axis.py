"""The scales of a plot: where a value stands between the two ends, and the ticks between them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from loadtests.report.figures import round_seconds

ROUND: Final = (1, 2, 2.5, 5, 10)
CLOCK: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
MOST_CLOCK_TICKS: Final = 9
LEAST_SECONDS: Final = 1e-6  # a logarithm has no zero
LEAST: Final = 1e-9  # less than that is drawn as nothing


class Tick(NamedTuple):
    """A value of an axis and its words; without words it is a line alone."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high`, `logarithmic` or even; `unit` is how a reader of it says it."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    unit: str
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return how far along a value stands: 0 at the low end, 1 at the high one."""
        if self.logarithmic:
            low, high, value = (math.log(max(v, LEAST_SECONDS)) for v in self._ends(value))
        else:
            low, high, value = self._ends(value)
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def _ends(self, value: float) -> tuple[float, float, float]:
        return self.low, self.high, value


def even(
    values: Iterable[float], *, unit: str, say: Callable[[float], str], whole: bool = False
) -> Axis:
    """Return a scale from 0 that holds all values; `whole`: what is counted has no halves."""
    high = max((value for value in values if LEAST < value < math.inf), default=1.0)
    step = _round_step(high / 4)
    if whole:
        step = max(1.0, math.ceil(step))
    last = math.ceil(high / step - 1e-9)
    ticks = tuple(Tick(step * number, say(step * number)) for number in range(last + 1))
    return Axis(0.0, step * last, ticks, unit)


def decades(values: Iterable[float], *, most_ticks: int = 7) -> Axis:
    """Return a logarithmic scale of seconds that holds all values above 0, from 1, 2 or 5 to such.

    Where it has more than `most_ticks`, only powers of ten have words.
    """
    positive = [max(value, LEAST_SECONDS) for value in values if 0 < value < math.inf] or [0.1, 1.0]
    grid = [
        factor * 10.0**power
        for power in range(_power(min(positive)) - 1, _power(max(positive)) + 2)
        for factor in (1, 2, 5)
    ]
    first = max(number for number, value in enumerate(grid) if value <= min(positive) * 1.0001)
    last = min(number for number, value in enumerate(grid) if value >= max(positive) * 0.9999)
    chosen = grid[first : max(last, first + 1) + 1]
    spare = len(chosen) > most_ticks
    ticks = (Tick(v, round_seconds(v) if not spare or _is_power(v) else "") for v in chosen)
    return Axis(chosen[0], chosen[-1], tuple(ticks), "time", logarithmic=True)


def clock(end_seconds: float) -> Axis:
    """Return the time of a load from 0 to its end."""
    end = max(end_seconds, 1.0)
    step = next((s for s in CLOCK if end / s <= MOST_CLOCK_TICKS), CLOCK[-1])
    long = end >= 120
    ticks = (Tick(at, _clock(at) if long else f"{at} s") for at in range(0, int(end) + 1, step))
    return Axis(0.0, end, tuple(ticks), "into the load")


def places(labels: Sequence[str], unit: str) -> Axis:
    """Return a scale of things side by side: the first at 0.5, the next at 1.5."""
    ticks = tuple(Tick(number + 0.5, label) for number, label in enumerate(labels))
    return Axis(0.0, float(max(len(labels), 1)), ticks, unit)


def share() -> Axis:
    """Return the scale from nothing to all, in percent."""
    return Axis(0.0, 100.0, tuple(Tick(v, f"{v} %") for v in (0, 25, 50, 75, 100)), "%")


def _round_step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(factor * size for factor in ROUND if factor * size >= rough * (1 - 1e-9))


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def _is_power(value: float) -> bool:
    return math.isclose(math.log10(value), round(math.log10(value)), abs_tol=1e-9)


def _clock(at: int) -> str:
    return f"{at // 60}:{at % 60:02}"
