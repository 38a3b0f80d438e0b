"""How fast work is done, learnt from what was finished."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.service_rate import ServiceRate


@given(st.integers(0, 999), st.floats(1e-4, 1), st.integers(1, 256))
def test_it_learns_the_true_speed(seed, seconds_per_unit, slots):
    """Whatever the requests' sizes, their wait is work x seconds a unit / places."""
    rate, dice = ServiceRate(), random.Random(seed)
    for _ in range(700):
        units = dice.uniform(100, 10_000)
        rate.add(units, units * seconds_per_unit)
    truth = 1000 * seconds_per_unit / slots
    assert rate.wait_seconds(1000, slots) == pytest.approx(truth, rel=0.02)


def test_the_last_requests_count_most():
    """An engine that became four times slower is known to be so after some hundred requests."""
    rate = ServiceRate()
    for seconds in [1.0] * 1000 + [4.0] * 150:
        rate.add(100, seconds)
    assert rate.wait_seconds(100, 1) == pytest.approx(4, rel=0.1)
    assert rate.mean_units == pytest.approx(100, rel=0.05)


def test_the_time_to_a_first_token_is_learnt():
    """It follows what was seen."""
    rate = ServiceRate()
    for _ in range(500):
        rate.add_first_token(2.0)
    assert rate.first_token_seconds == pytest.approx(2, rel=0.05)
