"""What a run is said to come to."""

import pytest

from loadtests.result import Met
from loadtests.shapes import Rate, Users
from loadtests.statistics.objectives import Objective
from tests.loadtests.samples import ANSWERED, GOOD, LOST, VALID, change, run_of, step_of

HALF = Objective("ttft", 1.0, 0.5)
P95 = Objective("ttft", 1.0, 0.95)
SLOW = change(GOOD, first_token_seconds=2.4, last_token_seconds=4.4)
MANY = 400  # enough for every objective here to be sure


def verdict(loads, objectives=(HALF, ANSWERED), **more):
    """Conclude from steps of these loads: (load, requests)."""
    steps = [
        step_of(requests, *objectives, load=load, index=index)
        for index, (load, requests) in enumerate(loads)
    ]
    return run_of(*steps, objectives=objectives, **more).verdict


def test_one_load_that_meets_everything():
    """400 requests in 30 s, 21 tokens each."""
    found = verdict([(Users(8), [GOOD] * MANY)])
    assert found.sentence == "At 8 users (13.3 requests/s, 280 tokens/s) every objective is met."
    assert (found.measurement, found.objectives, found.best_step) == ("VALID", Met.MET, 0)


def test_the_highest_load_is_named_and_what_stops_the_next():
    """The order in which the steps were played does not matter."""
    loads = [(Users(16), [SLOW] * MANY), (Users(1), [GOOD] * MANY), (Users(8), [GOOD] * MANY)]
    found = verdict(loads)
    assert found.sentence == (
        "Up to 8 users (13.3 requests/s, 280 tokens/s) every objective is met; "
        "at 16 users time to first token p50 is 2.4 s, over 1 s."
    )
    assert (found.objectives, found.best_step) == (Met.MET, 2)


def test_a_load_above_one_that_fails_is_no_best():
    """Meeting at 16 users what was missed at 8 is luck."""
    loads = [(Users(n), [r] * MANY) for n, r in ((4, GOOD), (8, SLOW), (16, GOOD))]
    assert verdict(loads).best_step == 0


def test_no_load_that_meets_them_is_a_miss():
    """The lowest load is told, with how many objectives it misses."""
    found = verdict([(Rate(2.5), [SLOW] * 30 + [LOST] * 10), (Rate(5.0), [SLOW] * 40)])
    assert found.sentence == (
        "At 2.5 requests/s time to first token p50 is 2.4 s, over 1 s, "
        "and 1 other objective is missed."
    )
    assert (found.objectives, found.best_step) == (Met.MISSED, None)


def test_a_share_is_missed_under_its_limit():
    """As a percentage."""
    found = verdict([(Users(1), [GOOD] * 80 + [LOST] * 20)], (ANSWERED,))
    assert found.sentence == "At 1 user the answered share is 80 %, under 99 %."


def test_a_time_that_never_comes_is_told_as_that():
    """Half of the requests failed."""
    found = verdict([(Users(2), [GOOD] * 20 + [LOST] * 30)], (HALF,))
    assert "p50 is never, for so many requests failed; the limit is 1 s." in found.sentence


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.003, "just over 1 s"), (1.01, "1.01 s, over 1 s")]
)
def test_a_miss_is_never_told_as_its_limit(seconds, told):
    """Rounded alike, both would say that 1 s is over 1 s."""
    found = verdict([(Users(1), [change(GOOD, first_token_seconds=seconds)] * MANY)], (HALF,))
    assert found.sentence == f"At 1 user time to first token p50 is {told}."


def test_what_failures_hide_is_not_too_few_requests():
    """Every request without a picture failed: there is nothing to compare the others with."""
    objective = Objective("picture_ttft", 0.2, 0.5)
    found = verdict([(Users(1), [LOST] * 20 + [change(GOOD, picture_count=1)] * 20)], (objective,))
    assert found.sentence == (
        "At 1 user the wait that a picture adds p50 cannot be told, for so many requests failed."
    )
    assert found.objectives is Met.UNDECIDED


def test_too_few_requests_are_told_with_what_is_missing():
    """41 of the 130 that a p95 needs; 41 came in 30 s."""
    found = verdict([(Users(2), [GOOD] * 41)], (P95, ANSWERED))
    assert found.sentence == (
        "At 2 users 41 requests are too few to judge time to first token p95: "
        "89 more are needed, about 65 s of this load."
    )
    assert (found.objectives, found.best_step) == (Met.UNDECIDED, None)


def test_an_undecided_load_above_the_best_is_told():
    """It is neither met nor missed."""
    found = verdict([(Users(2), [GOOD] * 400), (Users(4), [GOOD] * 41)], (P95,))
    assert found.sentence.startswith("Up to 2 users")
    assert "is met; at 4 users 41 requests are too few" in found.sentence


def test_a_low_load_that_is_undecided_does_not_stop_a_higher_one():
    """One user seldom asks often enough."""
    found = verdict([(Users(1), [GOOD] * 20), (Users(8), [GOOD] * MANY)], (P95,))
    assert (found.best_step, found.objectives) == (1, Met.MET)
    assert found.sentence.endswith("is met, and no higher load was tried.")


def test_what_is_met_by_the_point_estimate_alone_is_told():
    """50 answers of 50 are not yet 99 % with confidence."""
    found = verdict([(Users(1), [GOOD] * 50)])
    assert "every objective is met (1 of 2 not yet with 95 % confidence)." in found.sentence


def test_a_rate_that_a_low_load_does_not_reach_stops_no_higher_one():
    """400 requests in 30 s are 13 a second, 100 are 3."""
    rate = Objective("requests_per_second", 10.0)
    found = verdict([(Users(1), [GOOD] * 100), (Users(8), [GOOD] * 400)], (HALF, rate))
    assert (found.best_step, found.objectives) == (1, Met.MET)
    found = verdict([(Users(1), [GOOD] * 60), (Users(8), [GOOD] * 100)], (HALF, rate))
    assert (found.best_step, found.objectives) == (None, Met.MISSED)
    assert found.sentence == ("At 8 users answered requests per second is 3.333, under 10.")


def test_an_invalid_measurement_decides_nothing():
    """Whatever its numbers say."""
    invalid = change(VALID, valid=False, reasons=("The client was late", "Its core was full."))
    found = verdict([(Users(8), [GOOD] * MANY)], certificate=invalid)
    assert found.sentence == (
        "The measurement is INVALID and decides nothing: The client was late. Its core was full."
    )
    assert (found.measurement, found.objectives) == ("INVALID", Met.UNDECIDED)
    assert found.best_step is None


def test_a_partial_run_says_so():
    """And keeps what it has shown."""
    found = verdict([(Users(8), [GOOD] * MANY)], partial="interrupted")
    assert found.sentence.endswith("is met. The run is partial: interrupted.")
    assert (found.partial, found.objectives) == ("interrupted", Met.MET)


@pytest.mark.parametrize("loads", [[], [(Users(1), [])]])
def test_nothing_counted_is_undecided(loads):
    """No request, no verdict."""
    found = verdict(loads)
    assert found.sentence == "No request was counted, so that nothing can be said."
    assert found.objectives is Met.UNDECIDED
