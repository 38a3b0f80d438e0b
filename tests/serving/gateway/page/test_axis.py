"""Scales: every value is on them, and their ticks are what people count in."""

import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.page.activity import WINDOWS, span_of
from serving.gateway.page.axis import DAY, MOST_CLOCK_TICKS, Axis, Span

AMOUNTS = st.floats(0, 1e15)
MOMENTS = st.floats(0, 4e9)


@given(st.lists(st.none() | AMOUNTS), st.booleans())
def test_an_axis_holds_all_values(values: list[float | None], whole: bool) -> None:
    """From 0 to the highest at least, in a few equal steps, each with a label of its own."""
    axis = Axis.over(values, whole=whole)
    steps = [after - before for before, after in itertools.pairwise(axis.ticks)]
    assert axis.ticks[0] == 0
    assert axis.ticks[-1] >= max((value for value in values if value is not None), default=0)
    assert 1 <= len(steps) <= 5
    assert all(step > 0 and step == pytest.approx(steps[0]) for step in steps)
    assert not whole or all(tick == int(tick) for tick in axis.ticks)
    labels = axis.labels()
    assert len(set(labels)) == len(labels)
    assert not any(sign in label for label in labels for sign in ("nan", "inf", "e"))


@given(st.lists(AMOUNTS, min_size=2))
def test_a_higher_value_stands_higher(values: list[float]) -> None:
    """From the bottom to the top of the plot, in the values' order."""
    axis = Axis.over(values)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 1


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, (0, 0.5, 1)),
        (1, (0, 0.5, 1)),
        (7, (0, 2, 4, 6, 8)),
        (36, (0, 10, 20, 30, 40)),
        (101, (0, 50, 100, 150)),
    ],
)
def test_ticks_are_round(highest: float, ticks: tuple[float, ...]) -> None:
    """They go in ones, twos and fives."""
    assert Axis.over([highest]).ticks == pytest.approx(ticks)


def test_counts_have_no_halves() -> None:
    """One request is not two halves."""
    assert Axis.over([1], whole=True).ticks == (0, 1)


@pytest.mark.parametrize(
    ("lowest", "bottom"), [(99.9, 99), (97, 90), (90, 90), (51, 50), (49, 0), (None, 99)]
)
def test_a_share_begins_where_losses_are_seen(lowest: float | None, bottom: float) -> None:
    """Nobody tells 99.2 from 100 percent on a scale from 0."""
    axis = Axis.share([lowest, 100.0])
    assert (axis.ticks[0], axis.ticks[-1]) == (bottom, 100)
    assert axis.ticks[0] <= (lowest or 100)


@given(st.sampled_from(list(WINDOWS)), MOMENTS)
def test_a_window_ends_with_the_bucket_that_runs(window: str, now: float) -> None:
    """All of its buckets are as long, begin at round times, and the last one holds now."""
    span = span_of(window, now)
    seconds, step = WINDOWS[window]
    assert span.bucket(now) == span.buckets - 1
    assert span.since % step == 0
    assert span.until - span.since == span.step * span.buckets == seconds
    assert span.bucket(span.since) == 0
    assert span.bucket(span.since - 1) is span.bucket(span.until) is None


@given(
    st.builds(span_of, st.sampled_from(list(WINDOWS)), MOMENTS)
    | st.builds(
        Span.days_to, st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from([7, 30, 90])
    )
)
def test_ticks_of_time_are_few_and_in_order(span: Span) -> None:
    """Each is on the plot and has words; the last day of days has one."""
    ticks = span.ticks()
    places = [tick.left for tick in ticks]
    assert 2 <= len(ticks) <= MOST_CLOCK_TICKS + 1
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] <= 100
    if span.step == DAY:
        assert places[-1] == pytest.approx(100 - 50 / span.buckets)


def test_ticks_say_the_time_in_utc() -> None:
    """Round hours as a clock shows them, midnight as its day, days by their date."""
    midnight = 1_763_769_600.0  # 22 November 2025
    assert [tick.label for tick in span_of("6h", midnight + 3.6 * 3600).ticks()] == [
        "22:00",
        "23:00",
        "22 Nov",
        "01:00",
        "02:00",
        "03:00",
    ]
    days = Span.days_to(date(2025, 11, 22), 30)
    assert [tick.label for tick in days.ticks()] == ["25 Oct", "1 Nov", "8 Nov", "15 Nov", "22 Nov"]
    assert [days.label(number) for number in (0, 29)] == ["2025-10-24", "2025-11-22"]
