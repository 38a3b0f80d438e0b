"""The scales: every value has its place, and ticks are what people count in."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadtests.report.axis import clock, decades, even, places, share
from loadtests.report.figures import count

TIMES = st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=30)


@given(TIMES)
def test_a_logarithmic_scale_holds_all_values(times: list[float]) -> None:
    """Its ends are 1, 2 or 5 of some power of ten, with at least two words between them."""
    axis = decades(times)
    assert axis.low <= min(times) * 1.001
    assert axis.high >= max(times) * 0.999
    for end in (axis.low, axis.high):
        assert round(end / 10 ** math.floor(math.log10(end) + 1e-9)) in (1, 2, 5, 10)
    assert [tick.value for tick in axis.ticks] == sorted(tick.value for tick in axis.ticks)


def test_a_logarithmic_scale_places_by_ratio() -> None:
    """Ten times as much is as far up everywhere; what is outside stands at the end."""
    axis = decades([0.01, 10.0])
    assert [round(axis.place(value), 3) for value in (0.01, 0.1, 1.0, 10.0)] == [0, 0.333, 0.667, 1]
    assert axis.place(0.0) == axis.place(0.001) == 0
    assert axis.place(99.0) == 1
    assert [t.label for t in axis.ticks if t.label] == ["10 ms", "100 ms", "1 s", "10 s"]


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=30))
@example([5e-324])
def test_an_even_scale_begins_at_nothing(values: list[float]) -> None:
    """It holds all values, with two to seven ticks as far from each other."""
    axis = even(values, unit="tokens/s", say=count)
    ticks = [tick.value for tick in axis.ticks]
    assert axis.low == ticks[0] == 0
    assert axis.high == ticks[-1] >= max(values) * (1 - 1e-6)
    assert 2 <= len(ticks) <= 7
    steps = [after - before for before, after in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps))


@pytest.mark.parametrize(
    ("end", "labels"),
    [
        (12.4, ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s"]),
        (180, ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00"]),
        (0, ["0 s", "1 s"]),
    ],
)
def test_the_time_of_a_load_is_told_as_on_a_clock(end: float, labels: list[str]) -> None:
    """Seconds of a short load, minutes of a long one."""
    assert [tick.label for tick in clock(end).ticks] == labels


@given(st.floats(1, 200_000))
def test_a_load_has_few_ticks(end: float) -> None:
    """However long it is, their words stand clear of each other."""
    assert 2 <= len(clock(end).ticks) <= 10


def test_things_side_by_side_stand_in_the_middle_of_their_place() -> None:
    """The first of four is an eighth of the way; a share of half is half of it."""
    axis = places(["1", "2", "4", "8"], "users")
    assert [axis.place(tick.value) for tick in axis.ticks] == [0.125, 0.375, 0.625, 0.875]
    assert share().place(50) == 0.5
