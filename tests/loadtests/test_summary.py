"""What a summary makes of records."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.client import Outcome
from loadtests.records import Record
from loadtests.summary import Phase, smallest_sample, spread, summarise, token_time, tokens_within

GOOD = Record(
    number=0,
    kind="text",
    picture=None,
    sent_seconds=10.0,
    first_byte_seconds=0.1,
    first_token_seconds=0.5,
    first_reasoning_seconds=0.5,
    first_answer_seconds=1.0,
    last_token_seconds=2.5,
    done_seconds=2.6,
    outcome=Outcome.ANSWERED,
    detail="",
    status=200,
    finish_reason="stop",
    model="scripted",
    prompt_tokens=9,
    completion_tokens=21,
    reasoning_tokens=12,
    cached_tokens=0,
    fragments=20,
    right=True,
)
LOST = replace(
    GOOD,
    first_token_seconds=None,
    first_reasoning_seconds=None,
    first_answer_seconds=None,
    last_token_seconds=None,
    completion_tokens=None,
    right=None,
    status=500,
    outcome=Outcome.HTTP_ERROR,
)
PHASE = Phase(warmup_seconds=3, load_seconds=33)


def numbered(records):
    """Give the records numbers in order."""
    return [replace(record, number=number) for number, record in enumerate(records)]


@pytest.mark.parametrize(
    ("percentile", "size"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)]
)
def test_a_percentile_needs_its_sample(percentile, size):
    """The sizes are those of MLCommons' early stopping at 99 % confidence."""
    assert smallest_sample(percentile) == size


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_a_percentile_has_its_share_of_the_values(values):
    """A printed percentile is a measured value that the right share does not exceed."""
    shown = spread(values)
    assert (shown.least, shown.most) == (min(values), max(values))
    for p, value in zip((0.5, 0.9, 0.95), shown.percentiles[:3], strict=True):
        if value is None:
            assert len(values) < smallest_sample(p)
        else:
            assert sum(v <= value for v in values) >= p * len(values)
            assert sum(v < value for v in values) < p * len(values)


def test_failures_are_in_the_denominator():
    """A request that got no token is infinitely late; it is not left out."""
    summary = summarise(numbered([GOOD] * 40 + [LOST] * 30), PHASE)
    row = summary.rows[-1]
    assert (row.requests, row.failures, row.right) == (70, 30, 40)
    assert row.first_token.size == 70
    assert row.first_token.percentiles[:2] == (0.5, math.inf)
    assert row.first_token.most == math.inf
    assert summary.failures == {"http error 500 (text)": 30}
    assert summary.failed


def test_a_cut_stream_keeps_the_first_token_it_had():
    """A token that was seen is a fact, even where the request failed later."""
    cut = replace(GOOD, outcome=Outcome.CUT_STREAM, first_answer_seconds=None, right=None)
    row = summarise([cut], PHASE).rows[-1]
    assert row.first_token.most == 0.5
    assert row.first_answer.most == math.inf
    assert row.failures == 1


def test_warm_up_is_what_was_sent_before_its_end():
    """Warm-up requests are counted apart, and their failures are told."""
    early = replace(LOST, sent_seconds=2.999)
    edge = replace(GOOD, sent_seconds=3.0)
    summary = summarise(numbered([early, edge]), PHASE)
    assert summary.rows[-1].requests == 1
    assert (summary.warmup_requests, summary.warmup_failures) == (1, 1)
    assert summary.failed


def test_nothing_after_the_warm_up_is_a_failure():
    """A run that measured nothing does not pass."""
    summary = summarise([replace(GOOD, sent_seconds=1.0)], PHASE)
    assert summary.rows == ()
    assert summary.failed


def test_a_clean_run_is_no_failure():
    """All answered: nothing failed."""
    assert not summarise(numbered([GOOD, GOOD]), PHASE).failed


@pytest.mark.parametrize(
    ("window", "tokens"),
    [
        pytest.param((0, 100), 21, id="whole"),
        pytest.param((11.5, 100), 10.5, id="second half"),
        pytest.param((10.5, 11.0), 5.25, id="a quarter"),
        pytest.param((0, 10.5), 0, id="before the first token"),
        pytest.param((12.5, 20), 0, id="after the last token"),
    ],
)
def test_tokens_count_where_they_were_written(window, tokens):
    """The tokens of a request lie evenly between its first and its last (10.5 to 12.5 s here)."""
    assert tokens_within(GOOD, window) == pytest.approx(tokens)


@given(st.lists(st.floats(0, 40), max_size=6))
def test_windows_lose_no_token_and_count_none_twice(cuts):
    """Windows that cover the run share out each request's tokens completely."""
    edges = [0.0, *sorted(cuts), 40.0]
    parts = [tokens_within(GOOD, window) for window in pairwise(edges)]
    assert sum(parts) == pytest.approx(21)


def test_tokens_per_second_are_tokens_in_the_window_by_its_length():
    """Warm-up and drain give their tokens inside the window, and only those."""
    before = replace(GOOD, sent_seconds=1.5)  # tokens from 2.0 to 4.0 s: half of them count
    after = replace(GOOD, sent_seconds=32.0)  # tokens from 32.5 to 34.5 s: a quarter counts
    summary = summarise(numbered([before, GOOD, after]), PHASE)
    assert summary.rows[-1].tokens_per_second == pytest.approx((10.5 + 21 + 5.25) / 30)


def test_token_time_spans_the_tokens_after_the_first():
    """20 tokens follow the first within 2 s."""
    assert token_time(GOOD) == pytest.approx(0.1)
    assert token_time(replace(GOOD, completion_tokens=1)) is None
    assert token_time(LOST) is None


def test_oddities_are_counted():
    """Cut answers, missing usage, repeated pictures and every model that answered are told."""
    odd = [
        replace(GOOD, finish_reason="length", picture=1),
        replace(GOOD, completion_tokens=None, picture=1),
        replace(GOOD, model="other", picture=2),
    ]
    summary = summarise(numbered(odd), PHASE)
    assert (summary.cut_answers, summary.without_usage, summary.repeated_pictures) == (1, 1, 1)
    assert summary.models == {"scripted": 2, "other": 1}
