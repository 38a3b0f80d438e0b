"""Plots: every value is where it belongs, none is made up, and none needs colours to be told."""

import itertools
import math
import re
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.page import amounts
from serving.gateway.page.axis import Axis, Span
from serving.gateway.page.drawing import svg, swatch
from serving.gateway.page.marks import BOX, LABEL_GAP, PATTERNS, path
from serving.gateway.page.plot import HEIGHT, TOP, Plot, Series, Values
from tests.serving.gateway.page.markup import named, read, text

BUCKETS = 12
# What is measured, and what a fault may make of it.
MEASURED = st.none() | st.floats(0, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf])
SERIES = st.lists(
    st.lists(MEASURED, min_size=BUCKETS, max_size=BUCKETS), min_size=1, max_size=len(PATTERNS)
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def plot(*values: list[float | None], **fields: Any) -> Plot:
    """Return a plot of series named a, b, c …"""
    series = tuple(
        Series(name, Values(each), look)
        for look, (name, each) in enumerate(zip("abcde", values, strict=False), 1)
    )
    sums = [
        sum(value or 0 for value in bucket)
        for bucket in zip(*(each.values for each in series), strict=True)
    ]
    usual: dict[str, Any] = {
        "id": "plot",
        "title": "Title",
        "unit": "tokens",
        "span": Span(0.0, 60.0, len(values[0])),
        "axis": Axis.over(sums),
        "series": series,
        "say": amounts.count,
    }
    return Plot(**usual | fields)


def of_class(drawn: Element, name: str) -> list[Element]:
    """Return the elements of a class."""
    return [each for each in drawn.iter() if name in each.get("class", "").split()]


@given(SERIES, st.booleans())
def test_whatever_was_measured_can_be_drawn(values: list[list[float | None]], bars: bool) -> None:
    """No number that is none comes out, and the plot is whole."""
    drawn = svg(plot(*values, stacked=bars))
    assert not re.search(r"\b(nan|inf|None)\b", drawn)
    read(drawn)


@given(st.lists(MEASURED, min_size=BUCKETS, max_size=BUCKETS))
def test_a_line_is_broken_where_nothing_was_measured(values: list[float | None]) -> None:
    """It goes through every value that has a neighbour, in time; one that has none is a dot."""
    shown = plot(values)
    runs = [
        len(list(run))
        for measured, run in itertools.groupby(shown.series[0].values, lambda v: v is not None)
        if measured
    ]
    ways = path(shown, shown.series[0]).split("M")[1:]
    assert [way.count("L") + 1 for way in ways] == [run for run in runs if run > 1]
    assert len(of_class(read(svg(shown)), "plot-dot")) == runs.count(1)
    points = [tuple(map(float, NUMBER.findall(point))) for way in ways for point in way.split("L")]
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert all(0 <= x <= BOX and 0 <= y <= BOX for x, y in points)


def test_a_line_goes_where_its_values_are() -> None:
    """The middle of the first of four buckets is an eighth of the way, half of the top halfway."""
    shown = plot([0, 50, None, 100, 100], axis=Axis((0.0, 100.0)))
    assert path(shown, shown.series[0]) == "M100.0 1000.0L300.0 500.0M700.0 0.0L900.0 0.0"


@given(SERIES)
def test_bars_are_as_high_as_their_values(values: list[list[float | None]]) -> None:
    """Those of a bucket stand on one another, the first series lowest."""
    shown = plot(*values, stacked=True)
    bars: dict[str, list[Element]] = {}
    for bar in of_class(read(svg(shown)), "plot-bar"):
        bars.setdefault(bar.attrib["x"], []).append(bar)
    sums = [sum(value or 0 for value in bucket) for bucket in zip(*values_of(shown), strict=True)]
    for bucket, total in zip(bars.values(), filter(None, sums), strict=True):
        heights = [float(bar.attrib["height"]) for bar in bucket]
        tops = [float(bar.attrib["y"]) for bar in bucket]
        assert sum(heights) == pytest.approx(HEIGHT * total / shown.axis.ticks[-1], abs=0.5)
        assert tops == sorted(tops, reverse=True)
        assert tops[0] + heights[0] == pytest.approx(TOP + HEIGHT, abs=0.2)


def values_of(shown: Plot) -> list[Values]:
    """Return the values of all series."""
    return [series.values for series in shown.series]


def test_single_requests_are_rings() -> None:
    """Each of them stands in its bucket, at its value."""
    series = Series("p50", Values([None, None]), 1, ((10.0, 20.0), ()))
    shown = plot([None, None], series=(series,), axis=Axis((0.0, 20.0)))
    rings = of_class(read(svg(shown)), "plot-ring")
    assert [ring.attrib["cx"] for ring in rings] == ["25.00%", "25.00%"]
    assert [float(ring.attrib["cy"]) for ring in rings] == [TOP + HEIGHT / 2, TOP]


def test_lines_are_named_at_their_ends() -> None:
    """One name is never over another; a line that ended long ago, or stands alone, has none."""
    both = of_class(read(svg(plot([5, 5, 5], [5, 5, 5]))), "plot-name")
    assert [text(name) for name in both] == ["a", "b"]
    ends = [float(name.attrib["y"]) for name in both]
    assert ends[1] - ends[0] >= LABEL_GAP
    ended = plot([5] * 12, [5] * 6 + [None] * 6)
    assert [text(name) for name in of_class(read(svg(ended)), "plot-name")] == ["a"]
    assert of_class(read(svg(plot([5, 5, 5]))), "plot-name") == []


def test_looks_differ_without_colour() -> None:
    """Each bar's pattern is its own, and is there under the name that the bar and its key give."""
    assert len(set(PATTERNS.values())) == len(PATTERNS)
    shown = plot(*([1.0, 2.0] for _ in PATTERNS), stacked=True)
    drawn = svg(shown) + "".join(swatch(shown, look) for look in PATTERNS)
    used = set(re.findall(r"url\(#([\w-]+)\)", drawn))
    assert used == set(re.findall(r'<pattern id="([\w-]+)"', drawn))
    assert len(used) == len(PATTERNS)


def test_a_plot_is_told_in_words() -> None:
    """A screen reader gets its name, its time and its ranges, and none of its marks."""
    drawn = read(svg(plot([1, None, 3], [None, None, None])))
    (image,) = (each for each in drawn.iter("svg") if each.get("role") == "img")
    told = [text(named(drawn, name)) for name in image.attrib["aria-labelledby"].split()]
    assert told == ["Title", "01 Jan 00:00 to 01 Jan 00:02 UTC. a: 1 to 3."]


def test_a_pointer_is_told_the_numbers() -> None:
    """Each bucket says its time and values; what was not measured is a dash."""
    drawn = read(svg(plot([1, None], [2, 3])))
    columns = [text(column) for column in of_class(drawn, "plot-hit")]
    assert columns == ["01 Jan 00:00 UTC\na: 1\nb: 2", "01 Jan 00:01 UTC\na: –\nb: 3"]


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty plot says why it is empty."""
    assert "Too few requests" in svg(plot([None, None]))
    assert "Too few requests" not in svg(plot([None, 1.0]))


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1))
def test_names_are_never_markup(name: str) -> None:
    """Whatever a model or an app calls itself, it stands there as it is."""
    series = (Series(name, Values([1.0]), 1), Series("other", Values([2.0]), 2))
    drawn = read(svg(plot([1.0], series=series, title=name)))
    assert text(named(drawn, "plot-name")) == name
    assert text(of_class(drawn, "plot-name")[0]) == name
