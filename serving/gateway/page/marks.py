"""The lines, dots and bars of a plot; plots.css gives each look its colour and dash."""

import math
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Final

from serving.gateway.page.plot import HEIGHT, TOP, Plot, Series

BOX: Final = 1000  # the lines' own coordinates, both ways
LABEL_GAP: Final = 13  # px between two lines' names at least
GAP_BETWEEN_BARS: Final = 0.18  # of a bucket
# A line's name stands at its end if that is no further from the right than this, of the width.
ENDS_AT_RIGHT: Final = 0.1
# What is laid over a stacked series' colour; the first has nothing.
PATTERNS: Final = {
    1: "",
    2: '<path class="plot-hatch" d="M0 0L6 6M-1 5L1 7M5 -1L7 1"/>',
    3: '<path class="plot-hatch" d="M0 3H6"/>',
    4: '<path class="plot-hatch" d="M0 0L6 6M6 0L0 6"/>',
    5: '<circle class="plot-spot" cx="3" cy="3" r="1.4"/>',
}


def lines(plot: Plot) -> Iterator[str]:
    """Draw series as lines, broken where nothing was measured."""
    yield (
        f'<svg y="{TOP}" width="100%" height="{HEIGHT}" viewBox="0 0 {BOX} {BOX}"'
        ' preserveAspectRatio="none" overflow="visible">'
    )
    for series in plot.series:
        if way := path(plot, series):
            line = f'class="plot-line plot-look-{series.look}" d="{way}"'
            yield f'<path {line} vector-effect="non-scaling-stroke"/>'
    yield "</svg>"
    for series in plot.series:
        yield from _dots(plot, series)
    if len(plot.series) > 1:
        yield from _names(plot)


def path(plot: Plot, series: Series) -> str:
    """Return the way through all neighbours that were measured, in the box's coordinates."""
    ways = []
    for measured, run in groupby(enumerate(series.values), key=lambda pair: pair[1] is not None):
        points = [
            f"{BOX * plot.x(number) / 100:.1f} {BOX * (1 - plot.axis.place(value)):.1f}"
            for number, value in run
            if value is not None
        ]
        if measured and len(points) > 1:
            ways.append("M" + "L".join(points))
    return "".join(ways)


def bars(plot: Plot) -> Iterator[str]:
    """Stack the series from the bottom, the first one lowest."""
    yield from _patterns(plot)
    width = 100 / plot.span.buckets
    for number in range(plot.span.buckets):
        below = 0.0
        place = f'x="{width * (number + GAP_BETWEEN_BARS / 2):.3f}%"'
        place += f' width="{width * (1 - GAP_BETWEEN_BARS):.3f}%"'
        for series in plot.series:
            value = series.values[number] or 0.0
            bottom, top = plot.y(below), plot.y(below + value)
            below += value
            if value:
                size = f'y="{top:.1f}" height="{bottom - top:.1f}"'
                yield f"<rect {place} {size} {fill(plot, series.look)}/>"


def fill(plot: Plot, look: int) -> str:
    """Return the attributes of what is filled with a look's colour and pattern."""
    return f'class="plot-bar plot-look-{look}" fill="url(#{plot.id}-look-{look})"'


def _patterns(plot: Plot) -> Iterator[str]:
    yield "<defs>"
    for series in plot.series:
        yield (
            f'<pattern id="{plot.id}-look-{series.look}" class="plot-look-{series.look}"'
            ' width="6" height="6" patternUnits="userSpaceOnUse">'
            f'<rect class="plot-ground" width="6" height="6"/>{PATTERNS[series.look]}</pattern>'
        )
    yield "</defs>"


def _dots(plot: Plot, series: Series) -> Iterator[str]:
    """Draw what has no neighbours as dots, and single requests as rings."""
    padded = (None, *series.values, None)
    for number, value in enumerate(series.values):
        if value is not None and padded[number] is padded[number + 2] is None:
            yield _circle(plot, number, value, f"plot-dot plot-look-{series.look}")
    for number, bucket in enumerate(series.singles):
        for value in bucket:
            yield _circle(plot, number, value, f"plot-ring plot-look-{series.look}")


def _circle(plot: Plot, number: int, value: float, look: str) -> str:
    return f'<circle class="{look}" cx="{plot.x(number):.2f}%" cy="{plot.y(value):.1f}" r="3"/>'


def _names(plot: Plot) -> Iterator[str]:
    """Write the lines' names at their right ends, none over another."""
    ends = []
    for series in plot.series:
        measured = [pair for pair in enumerate(series.values) if pair[1] is not None]
        number, value = measured[-1] if measured else (0, None)
        missing = plot.span.buckets - 1 - number
        if value is not None and missing <= max(1, ENDS_AT_RIGHT * plot.span.buckets):
            ends.append((plot.y(value), series))
    lowest = -math.inf
    for y, series in sorted(ends, key=lambda end: end[0]):
        lowest = max(y, lowest + LABEL_GAP)
        look = f'class="plot-name plot-look-{series.look}"'
        yield f'<text {look} x="100%" dx="4" y="{lowest + 4:.1f}">{escape(series.name)}</text>'
