"""How much was done within a window."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.outcome import Outcome
from loadtests.statistics.work import (
    Window,
    good_per_second,
    in_flight,
    mean_work,
    part_within,
    per_second,
)
from tests.loadtests.samples import GOOD, LOST, at, change

WINDOW = Window(3.0, 33.0)
PICTURE = change(GOOD, picture_count=2, prompt_tokens=500, image_tokens=480, cached_tokens=16)


@pytest.mark.parametrize(
    ("window", "part"),
    [
        pytest.param((0, 100), 1, id="whole"),
        pytest.param((11.5, 100), 0.5, id="second half"),
        pytest.param((10.5, 11.0), 0.25, id="a quarter"),
        pytest.param((0, 10.5), 0, id="before the first token"),
        pytest.param((12.5, 20), 0, id="after the last token"),
    ],
)
def test_work_counts_where_its_output_was_written(window, part):
    """The output lies evenly between the first and the last token, 10.5 to 12.5 s here."""
    assert part_within(GOOD, Window(*window)) == pytest.approx(part)


def test_output_of_one_moment_is_in_the_window_that_it_falls_into():
    """The window's begin belongs to it, its end does not."""
    moment = change(GOOD, last_token_seconds=0.5)
    assert part_within(moment, Window(10.5, 11)) == 1
    assert part_within(moment, Window(10, 10.5)) == 0


@given(st.lists(st.floats(0, 40), max_size=6))
def test_windows_lose_no_work_and_count_none_twice(cuts):
    """Windows that cover the run share out each request completely."""
    edges = [0.0, *sorted(cuts), 40.0]
    assert sum(part_within(GOOD, Window(*e)) for e in pairwise(edges)) == pytest.approx(1)


def test_work_per_second_is_what_was_written_in_the_window_by_its_length():
    """Settling time and drain give the part inside the window, and only that."""
    before = at(1.5)  # written from 2 to 4 s: half of it counts
    after = at(32.0)  # from 32.5 to 34.5 s: a quarter counts
    rates, _ = per_second([before, PICTURE, after, LOST], WINDOW)
    assert rates.requests == pytest.approx(1.75 / 30)
    assert rates.output_tokens == pytest.approx(21 * 1.75 / 30)
    assert rates.reasoning_tokens == pytest.approx(12 * 1.75 / 30)
    assert rates.prompt_tokens == pytest.approx((500 + 9 * 0.75) / 30)
    assert (rates.images, rates.image_tokens) == pytest.approx((2 / 30, 480 / 30))
    assert rates.cached_tokens == pytest.approx(16 / 30)


def test_a_thought_without_an_answer_was_work_but_is_no_request_done():
    """Its tokens cost time; the request is not among the answered."""
    silent = change(GOOD, outcome=Outcome.NO_ANSWER, first_answer_seconds=None)
    rates, _ = per_second([silent], WINDOW)
    assert rates.requests == 0
    assert rates.output_tokens == pytest.approx(21 / 30)


def test_a_window_of_no_length_has_no_rates():
    """A step that was stopped while it settled divides by nothing."""
    rates, error = per_second([GOOD], Window(5.0, 5.0))
    assert (rates.requests, error) == (0, None)
    assert in_flight([GOOD], Window(5.0, 5.0)) == 0
    assert good_per_second([GOOD], Window(5.0, 5.0)) == 0


def test_the_error_of_a_rate_holds_the_truth():
    """Poisson arrivals of 8 a second: the interval of 95 % misses their rate seldom."""
    generator, misses = random.Random(5), 0
    for _ in range(100):
        due, arrivals = 0.0, []
        while (due := due + generator.expovariate(8)) < 36:
            arrivals.append(at(due, last_token_seconds=0.6))
        rates, error = per_second(arrivals, WINDOW)
        misses += abs(rates.requests - 8) > error.requests
    assert misses <= 13  # 5 are expected


def test_requests_in_flight_are_a_mean_over_the_window():
    """2.6 s of one, and half a second of one that the end cuts off, in 30 s."""
    assert in_flight([GOOD, at(32.5)], WINDOW) == pytest.approx((2.6 + 0.5) / 30)


def test_the_mean_request_is_that_of_answers_with_usage():
    """One without usage is left out, and none gives no mean."""
    blind = change(GOOD, completion_tokens=None)
    found = mean_work([GOOD, PICTURE, blind])
    assert (found.requests, found.images, found.prompt_tokens) == (1, 1, 254.5)
    assert (found.reasoning_tokens, found.answer_tokens, found.output_tokens) == (12, 9, 21)
    assert mean_work([blind]) is None
