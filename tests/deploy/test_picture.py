"""The picture of the overview: figures in their units, lines inside their panel, true colours."""

import math
import re

import pytest

from deploy.dashboards import drawing, grafana
from deploy.dashboards.board import Board, Panel, Query, Row, bad_from, figure

START, END = 100.0, 200.0


def rendered(panel: Panel) -> drawing.Json:
    """Return a panel as Grafana gets it."""
    whole = grafana.as_json(Board("uid", "title", "", (Row("row", (panel,)),)))
    found: drawing.Json = whole["panels"][1]
    return found


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of every line."""
    texts = re.findall(r"points='([^']*)'", svg)
    return [[(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", t)] for t in texts]


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.9991, "percentunit", "99.91 %"),
        (0.9999, "s", "1 s"),
        (0.0123, "s", "12.3 ms"),
        (12.34, "reqps", "12.3 /s"),
        (12345, "short", "12,345"),
        (0.5, "currencyUSD", "$0.5"),
        (math.nan, "s", "–"),
    ],
)
def test_figures_have_their_unit(value: float, unit: str, written: str) -> None:
    """A reader sees what is counted."""
    assert drawing.text(value, unit) == written


@pytest.mark.parametrize(("value", "colour"), [(1.0, "green"), (3.0, "orange"), (9.0, "red")])
def test_a_figure_has_the_colour_of_its_threshold(value: float, colour: str) -> None:
    """What is bad looks bad."""
    query = Query("up", "up")
    panel = rendered(figure("How?", "", query, unit="s", thresholds=bad_from(2, 5)))
    drawn = drawing.figure(panel, [("up", [(END, value)])])
    assert drawing.NAMED[colour] in drawn
    assert f">{value:g} s<" in drawn


def test_lines_stay_inside_their_panel() -> None:
    """The largest value is at the top, the first moment at the left; a limit above is not drawn."""
    panel = rendered(Panel("How?", "", (Query("up", "{{x}}"),), "s", thresholds=bad_from(2, 50)))
    svg = drawing.chart(panel, [("a<b", [(START, 0.0), (END, 8.0)])], START, END)
    course, limit = lines(svg)
    assert course == [(0, drawing.HEIGHT), (drawing.WIDTH, 4)]
    assert limit[0][1] == limit[1][1] == pytest.approx(drawing.HEIGHT - 2 / 8 * 116)
    assert "a&lt;b 8 s" in svg


def test_areas_stand_on_each_other() -> None:
    """The second begins where the first ends, and its height is its own."""
    panel = rendered(Panel("How?", "", (Query("up", "{{x}}"),), "short", stacked=True))
    moments = (START, END)
    series = [("a", [(t, 1.0) for t in moments]), ("b", [(t, 3.0) for t in moments])]
    low, high = lines(drawing.chart(panel, series, START, END))
    assert {y for _, y in low} == {drawing.HEIGHT, drawing.HEIGHT - 29}
    assert {y for _, y in high} == {drawing.HEIGHT - 29, 4}


def test_words_for_good_and_bad_have_one_colour() -> None:
    """`ok` is green on every board, whatever came before it."""
    panel = rendered(Panel("How?", "", (Query("up", "{{outcome}}"),), "short"))
    names = ("timeout", "ok", "something new")
    svg = drawing.chart(panel, [(name, [(END, 1.0)]) for name in names], START, END)
    strokes = re.findall(r"stroke='(#\w+)'", svg)
    assert strokes == [drawing.NAMED["orange"], drawing.NAMED["green"], drawing.PALETTE[2]]
