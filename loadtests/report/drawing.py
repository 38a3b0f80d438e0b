"""A plot as SVG: its grid, marks and words, and its meaning for those who do not see it."""

from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

from loadtests.report.axis import Axis
from loadtests.report.plot import BOX, Label, Plot

TICK_HEIGHT: Final = 20  # px
LABEL_GAP: Final = 14  # px between two labels at least


def svg(plot: Plot) -> Markup:
    """Draw a plot for the page; it holds no style, no script and no address of another file."""
    names = f'aria-labelledby="{plot.id}-name {plot.id}-told"'
    height = plot.top + plot.height + plot.foot
    return Markup(  # noqa: S704 - every word in it has been escaped
        "\n".join(
            [
                f'<svg class="plot" width="100%" height="{height}" role="img" {names}>',
                f'<title id="{plot.id}-name">{escape(plot.title)}</title>',
                f'<desc id="{plot.id}-told">{escape(plot.told)}</desc>',
                *inner(plot),
                "</svg>",
            ]
        )
    )


def inner(plot: Plot) -> Iterator[str]:
    """Draw what a plot is made of, its top left corner being that of its place."""
    axes = f'data-x="{_told(plot.x)}" data-y="{_told(plot.y)}"'
    yield (
        f'<svg class="box" y="{plot.top}" width="100%" height="{plot.height}" overflow="visible"'
        f' viewBox="0 0 {BOX} {BOX}" preserveAspectRatio="none" {axes}>'
    )
    yield _grid(plot)
    for mark in plot.marks:
        yield from mark.draw(plot)
    yield "</svg>"
    yield f'<svg y="{plot.top}" width="100%" height="{plot.height}" overflow="visible">'
    yield from _ticks(plot)
    for mark in plot.marks:
        yield from mark.words(plot)
    yield from _labels(plot)
    if plot.empty:
        middle = f'x="50%" y="{plot.height / 2:g}" text-anchor="middle"'
        yield f'<text class="note" {middle}>{escape(plot.empty)}</text>'
    yield "</svg>"


def _grid(plot: Plot) -> str:
    across = (f"M0 {plot.down(tick.value):g}H{BOX}" for tick in plot.y.ticks)
    upright = (f"M{plot.across(tick.value):g} 0V{BOX}" for tick in plot.x.ticks)
    both = [*across, *upright] if plot.x.logarithmic else [*across]
    return f'<path class="grid" d="{"".join(both)}"/>'


def _ticks(plot: Plot) -> Iterator[str]:
    for tick in plot.y.ticks:
        y = plot.down(tick.value) * plot.height / BOX + 4
        yield f'<text class="tick" x="-8" y="{y:.1f}" text-anchor="end">{escape(tick.label)}</text>'
    worded = [tick for tick in plot.x.ticks if tick.label and plot.foot > TICK_HEIGHT]
    crowded = len(worded) > 6
    for number, tick in enumerate(worded):
        kind = "tick spare" if crowded and number % 2 else "tick"
        x = plot.across(tick.value) / 10
        place = f'x="{x:.2f}%" y="{plot.height + 18}" text-anchor="middle"'
        yield f'<text class="{kind}" {place}>{escape(tick.label)}</text>'


def _labels(plot: Plot) -> Iterator[str]:
    """Write lines' names at their right ends, none over another."""
    found = sorted(label for mark in plot.marks for label in mark.labels(plot))
    places = [label.y * plot.height / BOX for label in found]
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + LABEL_GAP)
    over = max(0.0, places[-1] - plot.height) if places else 0.0
    for label, place in zip(found, places, strict=True):
        yield _label(label, place - over)


def _label(label: Label, y: float) -> str:
    place = f'x="100%" dx="7" y="{y + 4:.1f}"'
    return f'<text class="end look-{label.look}" {place}>{escape(label.text)}</text>'


def _told(axis: Axis) -> str:
    """Say a scale to the page's script: its ends, its kind, its unit and the names on it."""
    names = "|".join(tick.label.replace("|", "/") for tick in axis.ticks)
    kind = "log" if axis.logarithmic else "even"
    return str(escape(f"{axis.low:g} {axis.high:g} {kind} {axis.unit}|{names}"))
