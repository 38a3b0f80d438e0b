"""What is drawn in a plot: every mark is where its values are."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loadtests.report.axis import Axis, Tick
from loadtests.report.drawing import LABEL_GAP
from loadtests.report.marks import (
    Band,
    Bars,
    Dots,
    Heading,
    Limit,
    Line,
    Note,
    Rail,
    Rings,
    Whiskers,
)
from loadtests.report.plot import Mark, Plot
from tests.loadtests.report.drawings import drawn, of_class, points, words

LINEAR = Axis(0.0, 10.0, (Tick(0, "0"), Tick(10, "10")), "units")


def plot(*marks: Mark) -> Plot:
    """Return a plot of marks on two scales from 0 to 10, 200 px high."""
    return Plot(id="p", title="T", told="It.", x=LINEAR, y=LINEAR, marks=marks, height=200)


def test_marks_stand_where_their_values_are() -> None:
    """Right is more, up is more; a lone point of a line is a dot of it."""
    whole = drawn(
        plot(
            Dots("d", 1, [(5, 10), (0, 0)]),
            Line("l", 2, [(0, 5), (10, 10), None, (5, 0)]),
            Whiskers(3, [(1, 2, 4)]),
            Rail("r", 8, [2.5]),
            Bars(4, [(1, 3, 2, 7)]),
            Rings(5, [(10, 10)]),
        )
    )
    (ring,) = of_class(whole, "ring")
    assert ring.attrib["d"] == "M1000 0h0"
    assert points(whole, "d") == [(500, 0), (0, 1000)]
    (line,) = of_class(whole, "line")
    assert line.attrib["d"] == "M0 500L1000 0M500 1000h0"
    (whisker,) = of_class(whole, "whiskers")
    assert whisker.attrib["d"] == "M100 800V600"
    (rail,) = of_class(whole, "rail")
    assert rail.attrib["d"] == "M250 0V45"
    (bar,) = of_class(whole, "bar")
    assert [bar.attrib[each] for each in ("x", "y", "width", "height")] == [
        "100",
        "300",
        "200",
        "500",
    ]


def test_words_stand_beside_what_they_name() -> None:
    """Names of bands over their middle, notes at their point, labels at the right, none covered."""
    whole = drawn(
        plot(
            Band(2, 4, "8", chosen=True),
            Note((5, 5), "here"),
            Heading(10, "row", [(1, "a"), (2, "b")]),
            Line("one", 1, [(0, 5), (10, 5)], label="one"),
            Line("two", 2, [(0, 5), (10, 5.1)], label="two"),
            Limit(20, "p95 ≤ 20 s", 8),
            Limit(20, "beyond", 1, upright=True),
        )
    )
    (band,) = of_class(whole, "band-name")
    assert band.attrib["x"] == "30.00%"
    assert words(whole, "note") == ["here", "row"]
    assert words(whole, "figures") == ["ab"]
    assert words(whole, "limit-name") == ["beyond →"]
    ends = of_class(whole, "end")
    assert ["".join(each.itertext()) for each in ends] == ["p95 ≤ 20 s ↑", "two", "one"]
    heights = [float(each.attrib["y"]) for each in ends]
    assert all(b - a >= LABEL_GAP for a, b in pairwise(heights))


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1))
def test_names_are_never_markup(name: str) -> None:
    """Whatever a model, a kind or a step calls itself, it stands there as it is."""
    marks = (
        Band(2, 4, name),
        Note((5, 5), name),
        Heading(10, name, [(1, name)]),
        Line(name, 1, [(0, 5), (10, 5)], label=name),
        Limit(5, name, 1, upright=True),
    )
    whole = drawn(Plot(id="p", title=name, told=name, x=LINEAR, y=LINEAR, marks=marks))
    classes = ("band-name", "note", "figures", "end", "limit-name")
    assert [each for kind in classes for each in words(whole, kind)] == [name] * 6
    assert points(whole, name) == [(0, 500), (1000, 500)]
