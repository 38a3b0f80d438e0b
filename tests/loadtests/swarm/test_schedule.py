"""When the requests of an open loop are due."""

import math
import random
from bisect import bisect_left
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.shapes import Arrivals, Rate
from loadtests.swarm.schedule import arrivals, expected, generator

RATES = st.floats(0.1, 200)


def times(rate, seconds, seed=1):
    """Return all arrivals of one step."""
    return list(arrivals(rate, seconds, generator(seed, 0)))


def test_a_constant_rate_is_even():
    """The k-th request is due k / rate after the step began."""
    assert times(Rate(4, Arrivals.CONSTANT), 2) == [k / 4 for k in range(8)]


@pytest.mark.parametrize(
    ("rate", "reached"),
    [
        (Rate(0, Arrivals.CONSTANT, 10), lambda t: t * t / 2),
        (Rate(10, Arrivals.CONSTANT, 0), lambda t: 10 * t - t * t / 2),
        (Rate(5, Arrivals.CONSTANT, 15), lambda t: 5 * t + t * t / 2),
    ],
)
def test_a_ramp_is_due_where_its_area_is_whole(rate, reached):
    """In ten seconds, the k-th request is due when the area below the rate has reached k."""
    found = times(rate, 10)
    assert [reached(due) for due in found] == pytest.approx(list(range(len(found))), abs=1e-9)
    assert len(found) == math.ceil(round(reached(10), 9))


@given(RATES, st.none() | RATES, st.floats(0.5, 20), st.sampled_from(Arrivals), st.integers())
@settings(max_examples=40)
def test_times_rise_within_the_step_and_repeat(first, last, seconds, kind, seed):
    """Whatever the rate: in order, inside the step, the same for the same seed."""
    rate = Rate(first, kind, last)
    found = times(rate, seconds, seed)
    assert found == sorted(found)
    assert all(0 <= due < seconds for due in found)
    assert found == times(rate, seconds, seed)


def test_gaps_of_a_poisson_process_are_exponential():
    """Their distribution function is 1 - exp(-rate * gap) to within the sample's error."""
    found = times(Rate(50), 400)
    gaps = sorted(b - a for a, b in pairwise(found))
    assert fmean(gaps) == pytest.approx(1 / 50, rel=0.03)
    worst = max(abs(n / len(gaps) - (1 - math.exp(-50 * gap))) for n, gap in enumerate(gaps))
    assert worst < 1.63 / math.sqrt(len(gaps)), "Kolmogorov and Smirnov at 1 %"


def test_a_poisson_ramp_has_its_share_in_each_part():
    """From 10/s to 90/s in 100 s: a quarter of the time up to 30/s holds a tenth of them."""
    found = times(Rate(10, until_per_second=90), 100)
    assert len(found) == pytest.approx(expected(Rate(10, until_per_second=90), 100), rel=0.05)
    assert bisect_left(found, 25) / len(found) == pytest.approx(0.1, abs=0.02)


def test_steps_of_a_run_have_times_of_their_own():
    """No step repeats another one's times."""
    one = list(arrivals(Rate(5), 10, generator(1, 0)))
    assert one != list(arrivals(Rate(5), 10, generator(1, 1)))


@pytest.mark.parametrize(
    ("rate", "requests"),
    [(Rate(3), 30), (Rate(0, until_per_second=4), 20), (Rate(6, until_per_second=2), 40)],
)
def test_how_many_are_expected_is_the_area(rate, requests):
    """In ten seconds: the mean of first and last rate, times ten."""
    assert expected(rate, 10) == requests


def test_nothing_is_due_at_no_rate():
    """A rate of zero has no arrivals, and ends."""
    assert list(arrivals(Rate(0), 10, random.Random(1))) == []
