"""A plot as plain data: two scales, what is drawn between them, and what it says in words.

Across, everything stands in thousandths of the width; a plot is as wide as its place without a
script, and its words and strokes keep their size on a phone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from loadtests.report.axis import Axis

BOX: Final = 1000  # a plot's own coordinates, both ways
Point = tuple[float, float]


class Label(NamedTuple):
    """Words at the right end of a line, so many thousandths from the top."""

    y: float
    text: str
    look: int


class Mark(Protocol):
    """Something drawn; `look`, from 1 to 8, is a colour."""

    def draw(self, plot: "Plot") -> Iterator[str]:
        """Draw it in the plot's own coordinates."""
        ...

    def words(self, plot: "Plot") -> Iterator[str]:
        """Write what is beside it, across in percent, up and down in px."""
        ...

    def labels(self, plot: "Plot") -> Iterator[Label]:
        """Name it at the right end of the plot."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Marks on two scales. `id` is a name for the page; `told` says in words what is seen."""

    id: str
    title: str
    told: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    height: int = 220  # px from the low to the high end
    top: int = 26  # px above the high end, for names
    foot: int = 26  # px below the low end, for the words of ticks
    empty: str = ""  # why nothing is drawn

    @property
    def labelled(self) -> bool:
        """Whether lines are named at the right."""
        return any(True for mark in self.marks for _ in mark.labels(self))

    @property
    def scaled(self) -> bool:
        """Whether the scale at the left has words."""
        return any(tick.label for tick in self.y.ticks)

    def across(self, value: float) -> float:
        """Return a value's place in thousandths from the left."""
        return round(BOX * self.x.place(value), 1)

    def down(self, value: float) -> float:
        """Return a value's place in thousandths from the top."""
        return round(BOX * (1 - self.y.place(value)), 1)

    def way(self, points: Iterable[Point]) -> str:
        """Return the path through points."""
        return "L".join(f"{self.across(x):g} {self.down(y):g}" for x, y in points)
