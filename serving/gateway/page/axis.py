"""The scales of a plot: values from bottom to top, time from left to right, and their ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from serving.gateway.page.amounts import scale

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0
# Between two ticks of an axis: what people count in.
STEPS: Final = (1, 2, 5, 10)
CLOCK_STEPS: Final = (
    *(MINUTE * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(HOUR * hours for hours in (1, 2, 3, 6, 12)),
    *(DAY * days for days in (1, 2, 7, 14, 28)),
)
# As many as fit side by side; on a phone every second one is left out.
MOST_CLOCK_TICKS: Final = 7
SMALLEST: Final = 0.001  # less is no number that anybody reads
VALUE_INTERVALS: Final = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale of values: its ticks, ascending and two at least, from its bottom to its top."""

    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Iterable[float | None], *, whole: bool = False) -> "Axis":
        """Return the scale from 0 that holds all values, none of them below it.

        `whole`: what is counted has no halves.
        """
        high = max((value for value in values if value is not None), default=0.0) or 1.0
        step = _step(max(high, SMALLEST))
        if whole:
            step = max(1.0, step)
        last = math.ceil(high / step)
        return cls(tuple(step * tick for tick in range(last + 1)))

    @classmethod
    def share(cls, values: Iterable[float | None]) -> "Axis":
        """Return a scale up to 100 percent, from where losses can still be seen."""
        low = min((value for value in values if value is not None), default=100.0)
        bottom = next((each for each in (99.0, 90.0, 50.0) if low >= each), 0.0)
        return cls((bottom, (bottom + 100) / 2, 100.0))

    def place(self, value: float) -> float:
        """Return how high a value stands: 0 at the bottom, 1 at the top."""
        bottom, top = self.ticks[0], self.ticks[-1]
        return min(1.0, max(0.0, (value - bottom) / (top - bottom)))

    def labels(self) -> list[str]:
        """Return the ticks' words."""
        return scale(self.ticks)


class Tick(NamedTuple):
    """A moment on the axis: how far from the left in percent, and its words."""

    left: float
    label: str


class Span(NamedTuple):
    """A time in buckets of the same length, in seconds since 1970."""

    since: float
    step: float
    buckets: int

    @classmethod
    def days_to(cls, last: date, days: int) -> "Span":
        """Return a bucket for each of so many days of UTC, `last` being the last."""
        first = datetime.combine(last - timedelta(days=days - 1), time(), UTC)
        return cls(first.timestamp(), DAY, days)

    @property
    def until(self) -> float:
        """Return the end of the last bucket."""
        return self.since + self.step * self.buckets

    def bucket(self, moment: float) -> int | None:
        """Return the number of a moment's bucket, None outside of all."""
        number = math.floor((moment - self.since) / self.step)
        return number if 0 <= number < self.buckets else None

    def place(self, moment: float) -> float:
        """Return how far from the left a moment is, in percent."""
        return 100 * (moment - self.since) / (self.until - self.since)

    def moment(self, number: int) -> datetime:
        """Return a bucket's start."""
        return datetime.fromtimestamp(self.since + number * self.step, UTC)

    def label(self, number: int) -> str:
        """Return a bucket's name."""
        return f"{self.moment(number):{'%Y-%m-%d' if self.step >= DAY else '%d %b %H:%M'}}"

    def ticks(self) -> list[Tick]:
        """Return the round moments of a span of at most 28 weeks; of days, the middle of each."""
        length = self.until - self.since
        step = next(step for step in CLOCK_STEPS if length / step <= MOST_CLOCK_TICKS)
        if self.step < DAY:
            first, within, last = math.ceil(self.since / step) * step, 0.0, self.until
        else:  # counted back from the last day, so that it has a tick
            last = self.until - DAY
            first, within = self.since + (last - self.since) % step, DAY / 2
        times = (first + step * number for number in range(MOST_CLOCK_TICKS + 1))
        return [Tick(self.place(at + within), _clock(at)) for at in times if at <= last]


def _step(high: float) -> float:
    """Return a round step that divides the range up to `high` into a few intervals."""
    rough = high / VALUE_INTERVALS
    size = 10.0 ** math.floor(math.log10(rough))
    return next((step * size for step in STEPS if step * size >= rough), 10 * size)


def _clock(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M}" if at % DAY else f"{moment.day} {moment:%b}"
