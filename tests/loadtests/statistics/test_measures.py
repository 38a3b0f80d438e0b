"""What is read from one record, by the definitions of README.md."""

import math

import pytest

from loadtests.outcome import Outcome
from loadtests.statistics.measures import TIMES, answer_tokens, measured, ordered, output_speed
from tests.loadtests.samples import GOOD, LOST, change

LATE = change(GOOD, sent_seconds=10.25)
SILENT = change(
    GOOD, outcome=Outcome.NO_ANSWER, first_answer_seconds=None, reasoning_tokens=21, right=None
)
CUT = change(GOOD, outcome=Outcome.CUT_STREAM, completion_tokens=None, reasoning_tokens=None)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("ttft", 0.75),
        ("ttfat", 1.25),
        ("thinking", 0.5),
        ("tpot", 2 / 20),
        ("answer_tpot", 1.5 / 8),
        ("e2e", 2.75),
        ("service_ttft", 0.5),
        ("service_ttfat", 1.0),
        ("lateness", 0.25),
        ("upload", 0.001),
    ],
)
def test_each_time_is_as_defined(name, seconds):
    """A request due at 10 s, sent at 10.25 s, with tokens from 0.5 to 2.5 s after that."""
    assert measured(LATE, name) == pytest.approx(seconds)


def test_output_speed_counts_the_tokens_after_the_first():
    """20 tokens follow the first within 2 s."""
    assert output_speed(GOOD) == pytest.approx(10)
    assert output_speed(LOST) == 0
    assert output_speed(change(GOOD, completion_tokens=None)) is None
    assert output_speed(change(GOOD, last_token_seconds=0.5)) is None


@pytest.mark.parametrize("name", sorted(TIMES.keys() - {"lateness", "upload"}))
def test_what_a_failed_request_never_showed_never_came(name):
    """It is infinitely late, not left out."""
    assert measured(LOST, name) == math.inf


def test_what_a_failed_request_did_show_is_a_fact():
    """A cut stream had its first tokens; its last one is not the last that was due."""
    assert measured(CUT, "ttft") == 0.5
    assert measured(CUT, "ttfat") == 1.0
    assert measured(CUT, "e2e") == math.inf
    assert measured(CUT, "tpot") == math.inf


def test_a_thought_without_an_answer_has_a_pace_but_no_answer():
    """Its tokens came, and the answer never did."""
    assert measured(SILENT, "tpot") == pytest.approx(0.1)
    assert measured(SILENT, "e2e") == 2.5
    assert measured(SILENT, "ttfat") == math.inf
    assert measured(SILENT, "thinking") == math.inf
    assert measured(SILENT, "answer_tpot") == math.inf


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({"completion_tokens": None}, "tpot", id="no usage"),
        pytest.param({"completion_tokens": 1, "reasoning_tokens": 0}, "tpot", id="one token"),
        pytest.param({"reasoning_tokens": None}, "answer_tpot", id="thought not counted"),
        pytest.param({"reasoning_tokens": 20}, "answer_tpot", id="answer of one token"),
    ],
)
def test_what_cannot_be_told_of_an_answered_request_is_left_out(fields, name):
    """It is neither good nor late."""
    assert measured(change(GOOD, **fields), name) is None
    assert ordered([GOOD, change(GOOD, **fields)], name) == [measured(GOOD, name)]


def test_two_tokens_have_a_pace():
    """The one after the first took the two seconds."""
    assert measured(change(GOOD, completion_tokens=2), "tpot") == 2.0


def test_an_answer_without_a_thought_owns_all_tokens():
    """No reasoning seen and none counted: the answer has a pace."""
    plain = change(
        GOOD, reasoning_tokens=None, first_reasoning_seconds=None, first_answer_seconds=0.5
    )
    assert answer_tokens(plain) == 21
    assert measured(plain, "answer_tpot") == pytest.approx(0.1)


def test_values_go_from_good_to_bad():
    """Times rise and speeds fall, so that a failed request is last in both."""
    fast = change(GOOD, first_token_seconds=0.25, last_token_seconds=1.25)
    assert ordered([LOST, GOOD, fast], "ttft") == [0.25, 0.5, math.inf]
    assert ordered([LOST, GOOD, fast], "output_speed") == pytest.approx([20, 10, 0])
