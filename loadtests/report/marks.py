"""What is drawn in a plot: dots, lines, intervals, bars, bands and limits.

`report.css` gives each class and look its strokes and colours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import escape

from loadtests.report.plot import BOX, Label, Plot, Point


class Silent:
    """A mark with nothing beside it."""

    __slots__ = ()

    def words(self, plot: Plot) -> Iterator[str]:
        """Write nothing."""
        return iter(())

    def labels(self, plot: Plot) -> Iterator[Label]:
        """Name nothing."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Dots(Silent):
    """A dot for each point; a stroke without length has round ends, and so is one."""

    name: str
    look: int
    points: Sequence[Point]
    large: bool = False

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw all of them as one path."""
        kind = "dots large" if self.large else "dots"
        yield _path(f"{kind} look-{self.look}", _spots(plot, self.points), self.name)


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, broken at each None; `label` stands at its end."""

    name: str
    look: int
    points: Sequence[Point | None]
    dashed: bool = False
    label: str = ""

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw it; a point between two gaps is a dot."""
        ways = [f"M{plot.way(run)}" + "h0" * (len(run) == 1) for run in _runs(self.points)]
        kind = "line dashed" if self.dashed else "line"
        yield _path(f"{kind} look-{self.look}", "".join(ways), self.name)

    def words(self, plot: Plot) -> Iterator[str]:
        """Write nothing: its name is a label."""
        return iter(())

    def labels(self, plot: Plot) -> Iterator[Label]:
        """Name it at the height of its last point."""
        known = [point for point in self.points if point is not None]
        if self.label and known:
            yield Label(plot.down(known[-1][1]), self.label, self.look)


@dataclass(frozen=True, slots=True)
class Whiskers(Silent):
    """An upright stroke from `low` to `high` at each x: a confidence interval."""

    look: int
    spans: Sequence[tuple[float, float, float]]

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw all of them as one path."""
        ways = (
            f"M{plot.across(x):g} {plot.down(low):g}V{plot.down(high):g}"
            for x, low, high in self.spans
        )
        yield _path(f"whiskers look-{self.look}", "".join(ways))


@dataclass(frozen=True, slots=True)
class Rail(Silent):
    """A stroke that hangs from the top at each x: what has no height, as a request that failed."""

    name: str
    look: int
    at: Sequence[float]

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw all of them as one path."""
        way = "".join(f"M{plot.across(x):g} 0V45" for x in self.at)
        yield _path(f"rail look-{self.look}", way, self.name)


@dataclass(frozen=True, slots=True)
class Bars(Silent):
    """Areas from `low` to `high` between two values of x."""

    look: int
    areas: Sequence[tuple[float, float, float, float]]  # left, right, low, high

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw each as a rectangle."""
        for left, right, low, high in self.areas:
            x, y = plot.across(left), plot.down(high)
            width, height = plot.across(right) - x, plot.down(low) - y
            size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            yield f'<rect class="bar look-{self.look}" {size}/>'


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the time with its name at the top; `chosen` stands out, `faint` is not counted."""

    begin: float
    end: float
    name: str = ""
    chosen: bool = False
    faint: bool = False

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw it from top to bottom."""
        x = plot.across(self.begin)
        width = plot.across(self.end) - x
        kind = "settling" if self.faint else "band chosen" if self.chosen else "band"
        yield f'<rect class="{kind}" x="{x:g}" y="0" width="{width:g}" height="{BOX}"/>'

    def words(self, plot: Plot) -> Iterator[str]:
        """Write the name over its middle."""
        if self.name:
            middle = (plot.across(self.begin) + plot.across(self.end)) / 20
            kind = "band-name chosen" if self.chosen else "band-name"
            yield f'<text class="{kind}" x="{middle:.2f}%" y="-6">{escape(self.name)}</text>'

    def labels(self, plot: Plot) -> Iterator[Label]:
        """Name nothing at the right."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Limit:
    """An objective: a line across at a value of y, or upright at one of x, with its words."""

    value: float
    text: str
    look: int
    upright: bool = False
    row: int = 0  # of its words above the foot, so that two stand clear of each other

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw it where the scale holds it."""
        axis = plot.x if self.upright else plot.y
        if axis.low <= self.value <= axis.high:
            place = plot.across(self.value) if self.upright else plot.down(self.value)
            way = f"M{place:g} 0V{BOX}" if self.upright else f"M0 {place:g}H{BOX}"
            yield _path(f"limit look-{self.look}", way)

    def words(self, plot: Plot) -> Iterator[str]:
        """Write those of an upright one at its foot, on the side with more room."""
        if self.upright:
            place = plot.x.place(self.value)
            side = 'text-anchor="end" dx="-5"' if place > 0.5 else 'dx="5"'
            beyond = " →" if self.value > plot.x.high else ""
            where = f'x="{100 * place:.2f}%" y="{plot.height - 8 - 16 * self.row}" {side}'
            text = f"{escape(self.text)}{beyond}"
            yield f'<text class="limit-name look-{self.look}" {where}>{text}</text>'

    def labels(self, plot: Plot) -> Iterator[Label]:
        """Name one that lies across at the right; off the scale, at the end it lies beyond."""
        if not self.upright:
            beyond = " ↑" if self.value > plot.y.high else ""
            yield Label(plot.down(self.value), f"{self.text}{beyond}", self.look)


@dataclass(frozen=True, slots=True)
class Heading(Silent):
    """A row's name at the left, and at the right figures in the colours of their looks."""

    y: float
    name: str
    figures: Sequence[tuple[int, str]] = ()

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw nothing."""
        return iter(())

    def words(self, plot: Plot) -> Iterator[str]:
        """Write both on one line."""
        y = f'y="{plot.down(self.y) * plot.height / BOX:.1f}"'
        yield f'<text class="note" x="0" {y}>{escape(self.name)}</text>'
        if self.figures:
            told = (
                f'<tspan class="look-{n}" dx="9">{escape(said)}</tspan>' for n, said in self.figures
            )
            yield f'<text class="figures" x="100%" {y} text-anchor="end">{"".join(told)}</text>'


@dataclass(frozen=True, slots=True)
class Rings(Silent):
    """A ring around points that stand out."""

    look: int
    points: Sequence[Point]

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw all of them as one path."""
        yield _path(f"ring look-{self.look}", _spots(plot, self.points))


@dataclass(frozen=True, slots=True)
class Note(Silent):
    """Words at a point, above it or beside it."""

    at: Point
    text: str
    beside: bool = False

    def draw(self, plot: Plot) -> Iterator[str]:
        """Draw nothing."""
        return iter(())

    def words(self, plot: Plot) -> Iterator[str]:
        """Write the words, kept within the plot's sides."""
        x, y = plot.across(self.at[0]) / 10, plot.down(self.at[1]) * plot.height / BOX
        side = "start" if self.beside or x < 6 else "end" if x > 94 else "middle"
        shift = ' dx="7"' if self.beside else ""
        y += 4 if self.beside else -9
        place = f'x="{x:.2f}%" y="{y:.1f}" text-anchor="{side}"{shift}'
        yield f'<text class="note" {place}>{escape(self.text)}</text>'


def _path(kind: str, way: str, name: str = "") -> str:
    """Write a path; one with a name is read out under a pointer."""
    told = f' data-name="{escape(name)}"' if name else ""
    return f'<path class="{kind}"{told} d="{way}"/>' if way else ""


def _spots(plot: Plot, points: Sequence[Point]) -> str:
    """Return the path of a spot at each point."""
    return "".join(f"M{plot.across(x):g} {plot.down(y):g}h0" for x, y in points)


def _runs(points: Sequence[Point | None]) -> Iterator[list[Point]]:
    """Part points where one is missing."""
    run: list[Point] = []
    for point in (*points, None):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []
