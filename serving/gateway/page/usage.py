"""The tab Usage: tokens and cost by day, model, app and key, and what they would cost elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from serving.gateway.key import ANYBODY
from serving.gateway.page import amounts
from serving.gateway.page.axis import Axis, Span
from serving.gateway.page.card import Card, Column, Figure, cells
from serving.gateway.page.choice import choice
from serving.gateway.page.invitation import invitation
from serving.gateway.page.marks import PATTERNS
from serving.gateway.page.plot import Plot, Series, Values
from serving.gateway.page.public_price import compared, prices_html
from serving.gateway.page.ranking import Line, leading, ranked
from serving.gateway.page.spark import spark
from serving.gateway.page.table import Row, folded, name, table

if TYPE_CHECKING:
    from serving.store.usage import DaySum

# How many days can be looked at, and where they are.
SOURCES: Final = {days: f"/page/usage?days={days}" for days in (7, 30, 90)}
MOST_LINES: Final = 10
# Each has a pattern of its own, one of them for the others.
MOST_MODELS: Final = len(PATTERNS) - 1
UNNAMED: Final = "no name given"


@dataclass(frozen=True, slots=True)
class Bill:
    """What is told of usage: the days' sums, of one key or, where `owner` is None, of all."""

    sums: Sequence[DaySum]
    last: date
    days: int
    owner: str | None

    @property
    def first(self) -> date:
        """Return the first day."""
        return self.last - timedelta(days=self.days - 1)

    def lines(self, named: Callable[[DaySum], tuple[str, str]]) -> list[Line]:
        """Return what was used under each name."""
        return ranked(self.sums, self.first, self.days, named)


def usage_html(bill: Bill) -> str:
    """Write the tab, the totals first."""
    sources = {f"{days} days": source for days, source in SOURCES.items()}
    models = bill.lines(lambda used: (used.model, used.model))
    parts = [_totals(bill, models), *_parts(bill, models)] if models else [_nothing(bill)]
    return "\n".join([choice("Days", sources, SOURCES[bill.days]), *parts])


def _nothing(bill: Bill) -> str:
    by = "" if bill.owner is None else f" by the key {bill.owner}"
    return invitation(
        "usage-nothing",
        f"Nothing used in {bill.days} days{by}",
        "Every question adds to what is summed up here: tokens a day by model and app, their "
        "cost, and what they would have cost at public prices.",
    )


def _parts(bill: Bill, models: Sequence[Line]) -> Iterator[str]:
    yield _models(bill, leading(models, MOST_MODELS))
    yield _ranking(bill, "app", "Apps", lambda used: (used.app, used.app))
    if bill.owner is None and any(used.key_id != ANYBODY.id for used in bill.sums):
        yield _ranking(bill, "key", "Keys", lambda used: (used.key_id, used.key))
    yield prices_html(compared(models))


def _totals(bill: Bill, models: Sequence[Line]) -> str:
    owner, more = "all keys", ""
    if bill.owner is not None:
        owner, more = f"the key {name(bill.owner)}", " An admin’s key shows all keys."
    totals = {
        "Cost": amounts.usd(sum(line.cost for line in models)),
        "Requests": amounts.compact(sum(line.requests for line in models)),
        "Tokens in": amounts.compact(sum(line.prompt_tokens for line in models)),
        "Tokens out": amounts.compact(sum(line.output_tokens for line in models)),
        "Pictures": amounts.compact(sum(line.images for line in models)),
        "Videos": amounts.compact(sum(line.videos for line in models)),
    }
    shown = "".join(f"<div><dt>{term}</dt><dd>{said}</dd></div>" for term, said in totals.items())
    return (
        '<section class="plot-totals" aria-labelledby="usage-totals-head">\n'
        f'<h2 id="usage-totals-head">{bill.days} days of {owner}</h2>\n'
        f'<p class="plot-about">{bill.first} to {bill.last}, days of UTC.{more}</p>\n'
        f"<dl>{shown}</dl>\n</section>"
    )


def _models(bill: Bill, lines: Sequence[Line]) -> str:
    """Stack the tokens of each day by model."""
    series = tuple(
        Series(_title(line), Values(line.daily), look) for look, line in enumerate(lines, 1)
    )
    plot = Plot(
        id="usage-models",
        title="Tokens a day by model",
        unit="tokens",
        span=Span.days_to(bill.last, bill.days),
        axis=Axis.over([sum(day) for day in zip(*(line.daily for line in lines), strict=True)]),
        series=series,
        say=amounts.compact,
        stacked=True,
    )
    figures = [
        Figure(each.name, amounts.compact(line.tokens), each.look)
        for each, line in zip(series, lines, strict=True)
    ]
    about = "Tokens of prompts and outputs, thought included."
    columns = [Column(each.name, cells(each.values, ",.0f")) for each in series]
    return Card(plot, figures, about, columns).html()


def _ranking(bill: Bill, kind: str, title: str, named: Callable[[DaySum], tuple[str, str]]) -> str:
    """List who used most, with a small plot of each one's days; all plots have one scale."""
    lines = leading(bill.lines(named), MOST_LINES)
    highest = max(max(line.daily) for line in lines)
    whole = sum(line.tokens for line in lines) or 1
    rows = [
        Row(
            _head(line),
            [
                amounts.count(line.tokens),
                f"{100 * line.tokens / whole:.1f}{amounts.NARROW}%",
                amounts.count(line.requests),
                amounts.usd(line.cost),
                spark(line.daily, highest),
            ],
        )
        for line in lines
    ]
    heads = [kind.capitalize(), "Tokens", "Share", "Requests", "Cost", "Each day"]
    return "\n".join(
        [
            f'<section class="card plot-card" aria-labelledby="usage-{kind}-head">',
            f'<h2 id="usage-{kind}-head">{title}</h2>',
            table(f"usage-{kind}", f"By {kind}, most tokens first", heads, rows),
            _daily(bill, kind, lines),
            "</section>",
        ]
    )


def _daily(bill: Bill, kind: str, lines: Sequence[Line]) -> str:
    caption = f"Tokens a day by {kind}"
    rows = [
        Row(
            f"{bill.last - timedelta(days=ago)}",
            [amounts.count(line.daily[-1 - ago]) for line in lines],
        )
        for ago in range(bill.days)
    ]
    heads = ["Day, UTC", *map(_head, lines)]
    written = table(f"usage-{kind}-days", f"{caption}, newest first", heads, rows)
    return folded(f"usage-{kind}-numbers", f"Table: {caption}", written)


def _title(line: Line) -> str:
    if line.others:
        return f"{line.others} others"
    return line.name or UNNAMED


def _head(line: Line) -> str:
    if line.others or not line.name:
        return f'<em class="table-rest">{_title(line)}</em>'
    return name(line.name)
