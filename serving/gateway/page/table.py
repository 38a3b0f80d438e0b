"""Tables of the same numbers that the plots show, folded away until somebody opens them."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Row(NamedTuple):
    """A row: its head and its cells, as HTML."""

    head: str
    cells: Sequence[str]


def name(text: str) -> str:
    """Return what a client called itself, as HTML that cannot turn its surroundings around."""
    return f"<bdi>{escape(text)}</bdi>"


def table(
    table_id: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Row],
    *,
    total: Row | None = None,
) -> str:
    """Write a table that scrolls by itself where it is wider than its place.

    `heads` and all of the rows are HTML already, `caption` is text.
    """
    first, *others = (f'<th scope="col">{head}</th>' for head in heads)
    lines = [
        f'<div class="table-scroll" id="{table_id}" role="region" tabindex="0"'
        f' aria-labelledby="{table_id}-caption">',
        f'<table class="table"><caption id="{table_id}-caption">{escape(caption)}</caption>',
        f"<thead><tr>{first}{''.join(others)}</tr></thead>",
        f"<tbody>{''.join(map(_row, rows))}</tbody>",
    ]
    if total is not None:
        lines.append(f"<tfoot>{_row(total)}</tfoot>")
    return "\n".join([*lines, "</table></div>"])


def folded(fold_id: str, summary: str, content: str) -> str:
    """Fold content away; its id lets the page keep it open when it is drawn anew."""
    head = f'<details class="table-fold" id="{fold_id}"><summary>{escape(summary)}</summary>'
    return f"{head}\n{content}\n</details>"


def _row(row: Row) -> str:
    cells = "".join(f"<td>{cell}</td>" for cell in row.cells)
    return f'<tr><th scope="row">{row.head}</th>{cells}</tr>'
