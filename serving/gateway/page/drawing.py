"""A plot as SVG, in words for those who do not see it, and with numbers under a pointer."""

from collections.abc import Iterator
from html import escape

from serving.gateway.page.amounts import NOTHING
from serving.gateway.page.marks import bars, fill, lines
from serving.gateway.page.plot import FOOT, HEIGHT, TOP, Plot


def svg(plot: Plot) -> str:
    """Draw a plot; it holds no style, no script and no address of another file."""
    names = f"{plot.id}-name {plot.id}-summary"
    size = f'width="100%" height="{TOP + HEIGHT + FOOT}"'
    return "\n".join(
        [
            f'<svg class="plot-svg" {size} role="img" aria-labelledby="{names}">',
            f'<title id="{plot.id}-name">{escape(plot.title)}</title>',
            f'<desc id="{plot.id}-summary">{escape(summary(plot))}</desc>',
            *_grid(plot),
            *(bars(plot) if plot.stacked else lines(plot)),
            *_words(plot),
            *_columns(plot),
            "</svg>",
        ]
    )


def summary(plot: Plot) -> str:
    """Say in words what the plot shows."""
    said = []
    for series in plot.series:
        if values := list(series.measured):
            said.append(f"{series.name}: {plot.say(min(values))} to {plot.say(max(values))}")
    since, until = plot.span.label(0), plot.span.label(plot.span.buckets - 1)
    return f"{since} to {until} UTC. {'; '.join(said) or 'Too few requests'}."


def swatch(plot: Plot, look: int) -> str:
    """Draw a sample of a series's look, for the key beside its name."""
    size = '<svg class="plot-swatch" width="22" height="12" aria-hidden="true">'
    if plot.stacked:
        return f'{size}<rect x="1" y="1" width="20" height="10" {fill(plot, look)}/></svg>'
    return f'{size}<line class="plot-line plot-look-{look}" x1="0" x2="22" y1="6" y2="6"/></svg>'


def _grid(plot: Plot) -> Iterator[str]:
    yield '<g class="plot-grid">'
    for tick in plot.axis.ticks:
        y = plot.y(tick)
        yield f'<line x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>'
    yield "</g>"


def _words(plot: Plot) -> Iterator[str]:
    yield '<g class="plot-words">'
    yield f'<text x="-46" y="9">{escape(plot.unit)}</text>'
    for tick, label in zip(plot.axis.ticks, plot.axis.labels(), strict=True):
        yield f'<text x="-8" y="{plot.y(tick) + 4:g}" text-anchor="end">{label}</text>'
    foot = TOP + HEIGHT + 18
    for number, at in enumerate(reversed(plot.span.ticks())):
        # Every second one gives way on a phone.
        spare = ' class="plot-spare"' if number % 2 else ""
        yield f'<text{spare} x="{at.left:.2f}%" y="{foot}" text-anchor="middle">{at.label}</text>'
    if not any(True for series in plot.series for _ in series.measured):
        middle = TOP + HEIGHT / 2 + 4
        yield f'<text x="50%" y="{middle:g}" text-anchor="middle">Too few requests</text>'
    yield "</g>"


def _columns(plot: Plot) -> Iterator[str]:
    """Lay a column over each bucket that tells its numbers to a pointer."""
    width = 100 / plot.span.buckets
    for number in range(plot.span.buckets):
        told = [f"{plot.span.label(number)} UTC"]
        for series in plot.series:
            value = series.values[number]
            told.append(f"{series.name}: {NOTHING if value is None else plot.say(value)}")
        yield (
            f'<rect class="plot-hit" x="{width * number:.3f}%" width="{width:.3f}%" y="{TOP}"'
            f' height="{HEIGHT}"><title>{escape(chr(10).join(told))}</title></rect>'
        )
