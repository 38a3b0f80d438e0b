"""What a plot shows, and where each of its values stands.

Across everything stands in percent, up and down in pixels, and the lines' box is stretched: so a
plot is as wide as its place without a script, and its words and strokes keep their size on a phone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from serving.gateway.page.axis import Axis, Span

TOP: Final = 22  # px above the highest value, for the unit
HEIGHT: Final = 160  # px from the lowest to the highest value
FOOT: Final = 24  # px below, for the time


class Values(tuple[float | None, ...]):
    """What was measured in each bucket: None where nothing was; never NaN or infinite."""

    __slots__ = ()

    def __new__(cls, values: Sequence[float | None]) -> "Values":
        """Take what is not finite for not measured."""
        finite = (None if value is None or not math.isfinite(value) else value for value in values)
        return super().__new__(cls, finite)


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind in each bucket; `look`, from 1 on, is its colour, dash and pattern.

    `singles` are single requests, bucket by bucket, shown where they are too few for a value.
    """

    name: str
    values: Values
    look: int
    singles: tuple[tuple[float, ...], ...] = ()

    @property
    def measured(self) -> Iterator[float]:
        """Return all there is, in no order."""
        yield from (value for value in self.values if value is not None)
        for bucket in self.singles:
            yield from bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Series over a span on one axis, as lines, or as bars stacked in the series' order.

    `say` writes a value for people. The id is a name for the page, of letters and hyphens.
    """

    id: str
    title: str
    unit: str
    span: Span
    axis: Axis
    series: tuple[Series, ...]
    say: Callable[[float], str]
    stacked: bool = False

    def y(self, value: float) -> float:
        """Return a value's place in px from the top."""
        return TOP + HEIGHT * (1 - self.axis.place(value))

    def x(self, number: int) -> float:
        """Return the middle of a bucket in percent from the left."""
        return 100 * (number + 0.5) / self.span.buckets
