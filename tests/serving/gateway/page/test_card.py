"""A plot's card: its table holds the numbers of its series, and stays where it is."""

from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.page import amounts
from serving.gateway.page.axis import Axis, Span
from serving.gateway.page.card import Card, Column, Figure, cells
from serving.gateway.page.plot import Plot, Series, Values
from tests.serving.gateway.page.markup import columns, figures, named, read, text

VALUES = st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=40)


def card(values: list[float | None]) -> Card:
    """Return the card of a line."""
    series = Series("a <line>", Values(values), 1)
    plot = Plot(
        id="plot",
        title="Title & more",
        unit="tokens",
        span=Span(0.0, 60.0, len(values)),
        axis=Axis.over(values),
        series=(series,),
        say=amounts.count,
    )
    shown = [Figure("now <", "5 >", 1), Figure("never", None)]
    return Card(plot, shown, "What it < means.", [Column("a <line>", cells(values, ".3f"))])


@given(VALUES)
def test_the_table_has_the_numbers_of_the_series(values: list[float | None]) -> None:
    """Each bucket is a row, the newest first; what was not measured is a dash and no number."""
    table = columns(read(card(values).html()), "plot-table")
    told = [None if cell == amounts.NOTHING else float(cell) for cell in table["a <line>"]]
    rounded = [None if value is None else float(f"{value:.3f}") for value in values]
    assert told == rounded[::-1]
    assert table["Time, UTC"][-1] == "01 Jan 00:00"
    assert len(set(table["Time, UTC"])) == len(values)


def test_large_numbers_say_when_they_are_none() -> None:
    """They stand above the plot; too few requests are no number."""
    drawn = read(card([1.0]).html())
    assert figures(drawn, "plot-head") == {"now <": "5 >", "never": "too few requests"}
    assert "What it < means." in text(drawn)


def test_places_keep_their_names() -> None:
    """So that what is open or has the focus stays so when the card is drawn with other numbers."""
    one, other = (read(card(values).html()) for values in ([1.0, 2.0], [None, 5.0]))
    names = [[each.get("id") for each in drawn.iter() if each.get("id")] for drawn in (one, other)]
    assert names[0] == names[1]
    assert named(one, "plot-numbers").tag == "details"
    region = named(one, "plot-table")
    assert (region.get("role"), region.get("tabindex")) == ("region", "0")
    assert text(named(one, region.attrib["aria-labelledby"])) == "Title & more, newest first"
