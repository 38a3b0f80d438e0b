"""A plot with its heading, its figures, what they mean, and its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from serving.gateway.page.amounts import NOTHING
from serving.gateway.page.drawing import svg, swatch
from serving.gateway.page.plot import Plot
from serving.gateway.page.table import Row, folded, table

TOO_FEW = "too few requests"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that stands large above the plot: of a series, if `look` is given, as its key."""

    name: str
    value: str | None  # None: too few requests tell of it
    look: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, a text for each bucket."""

    head: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Card:
    """All that is shown of one plot; `columns` are the table's, the drawn series among them."""

    plot: Plot
    figures: Sequence[Figure]
    about: str
    columns: Sequence[Column]

    def html(self) -> str:
        """Write it."""
        plot = self.plot
        return "\n".join(
            [
                f'<section class="card plot-card" aria-labelledby="{plot.id}-head">',
                f'<h2 id="{plot.id}-head">{escape(plot.title)}</h2>',
                f'<dl class="plot-key">{"".join(map(self._figure, self.figures))}</dl>',
                f'<div class="plot-frame">{svg(plot)}</div>',
                f'<p class="plot-about">{escape(self.about)}</p>',
                self._table(),
                "</section>",
            ]
        )

    def _figure(self, figure: Figure) -> str:
        sample = "" if figure.look is None else swatch(self.plot, figure.look)
        few = "" if figure.value is not None else ' class="plot-few"'
        value = escape(TOO_FEW if figure.value is None else figure.value)
        return f"<div><dt>{sample}{escape(figure.name)}</dt><dd{few}>{value}</dd></div>"

    def _table(self) -> str:
        """Write the newest bucket first."""
        span, plot = self.plot.span, self.plot
        rows = [
            Row(
                f'<time datetime="{span.moment(n):%Y-%m-%dT%H:%MZ}">{span.label(n)}</time>',
                [escape(column.cells[n]) for column in self.columns],
            )
            for n in reversed(range(span.buckets))
        ]
        heads = ["Time, UTC", *(escape(column.head) for column in self.columns)]
        written = table(f"{plot.id}-table", f"{plot.title}, newest first", heads, rows)
        return folded(f"{plot.id}-numbers", f"Table: {plot.title}", written)


def cells(values: Sequence[float | None], form: str) -> list[str]:
    """Return numbers as texts in one form, a dash where nothing was measured."""
    return [NOTHING if value is None else format(value, form) for value in values]
