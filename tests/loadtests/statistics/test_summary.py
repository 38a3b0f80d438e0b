"""What a step's summary makes of its records."""

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.outcome import Outcome
from loadtests.result import Met, Summary, read_summary, write_summary
from loadtests.shapes import Arrivals, Rate, Users
from loadtests.statistics.objectives import Objective
from loadtests.statistics.summary import label, spread, summarise, summarise_step
from tests.loadtests.samples import (
    GOOD,
    LOST,
    VALID,
    asked,
    at,
    change,
    numbered,
    row_of,
    run_of,
    step_of,
    timing,
)

TTFT = Objective("ttft", 1.0, 0.95)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=700), st.booleans())
def test_a_spread_shows_values_of_the_sample_in_order(values, rising):
    """A percentile is a value that so many do at least as well as; bounds lie on its sides."""
    shown = spread(sorted(values, reverse=not rising), rising=rising)
    assert (shown.least, shown.most) == (min(values), max(values))
    assert shown.mean == pytest.approx(math.fsum(values) / len(values))
    shares = {"p50": (0.5, 11), "p90": (0.9, 64), "p95": (0.95, 130), "p99": (0.99, 662)}
    for name, (share, size) in shares.items():
        found = getattr(shown, name)
        if len(values) < size:
            assert found.value is None
            continue
        as_good = sum(v <= found.value if rising else v >= found.value for v in values)
        assert as_good >= share * len(values)
        assert found.low <= found.value <= found.high


def test_failures_are_in_the_denominator():
    """A request that got no token is infinitely late; it is not left out."""
    row = row_of([GOOD] * 40 + [LOST] * 30)
    assert (row.requests, row.failures, row.answered.part) == (70, {"http error 500": 30}, 40)
    assert (row.ttft.n, row.ttft.mean) == (70, 0.5)
    assert (row.ttft.p50.value, row.ttft.p90.value, row.ttft.most) == (0.5, "never", "never")
    assert (row.output_speed.p90.value, row.output_speed.least) == (0, 0)


def test_what_is_counted_was_due_in_the_window():
    """The end of the settling time counts, the end of the step does not."""
    early, edge, last, after = at(2.999), at(3.0), at(32.999), at(33.0)
    step = step_of([change(early, outcome=Outcome.TIMEOUT), edge, last, after])
    assert (step.all.requests, step.settling_requests, step.settling_failures) == (2, 1, 1)


def test_a_request_counts_by_when_it_was_due_not_by_when_it_was_sent():
    """A client that is late takes nothing out of the window, and adds to the time."""
    late = change(GOOD, scheduled_seconds=32.0, sent_seconds=40.0)
    row = row_of([late] * 11)
    assert (row.requests, row.ttft.p50.value, row.service_ttft.p50.value) == (11, 8.5, 0.5)
    assert row.lateness.most == 8.0


def test_other_steps_are_left_out():
    """A step's records carry its index."""
    result = summarise_step(timing(index=1), [GOOD, change(GOOD, step=1)], asked())
    assert (result.index, result.all.requests) == (1, 1)


def test_kinds_have_a_row_each_and_all_is_the_last():
    """Their requests add up."""
    step = step_of([GOOD, GOOD, change(GOOD, kind="picture")])
    assert [(row.kind, row.requests) for row in step.rows] == [
        ("picture", 1),
        ("text", 2),
        ("all", 3),
    ]


def test_nothing_counted_is_a_row_of_nothing():
    """An empty step has no shares, no percentiles and no rates."""
    step = step_of([])
    assert [row.kind for row in step.rows] == ["all"]
    assert (step.all.requests, step.all.answered.value, step.all.mean) == (0, None, None)
    assert (step.all.ttft.p50.value, step.all.per_second.requests) == (None, 0)


def test_oddities_are_counted():
    """Cut answers, missing usage, cost, right answers and censored requests are told."""
    step = step_of(
        [
            change(GOOD, finish_reason="length", cost_usd=0.25),
            change(GOOD, completion_tokens=None, cost_usd=0.5),
            change(GOOD, right=False),
            change(LOST, outcome=Outcome.CENSORED),
        ]
    )
    row = step.all
    assert (row.truncated, row.without_usage, row.cost_usd, step.censored) == (1, 1, 0.75, 1)
    assert (row.right.part, row.right.whole, row.failures) == (2, 3, {"censored": 1})
    assert row_of([GOOD]).cost_usd is None


def test_goodput_wants_an_answer_in_time():
    """Of three requests one is late and one failed; a third of the work in 30 s is good."""
    late = change(GOOD, first_token_seconds=1.5, last_token_seconds=3.5)
    row = step_of([GOOD, late, LOST], TTFT).all
    assert (row.good.part, row.good.whole) == (1, 3)
    assert row.good_per_second == pytest.approx(1 / 30)
    assert row.per_second.requests == pytest.approx(2 / 30)


def test_gaps_are_pooled_over_events():
    """Eleven requests of 20 gaps each, in seconds."""
    row = row_of([GOOD] * 10 + [change(GOOD, event_gaps_us=(100_000,) * 19 + (300_000,))])
    assert (row.itl.n, row.itl.most) == (220, pytest.approx(0.3))
    assert row.itl.p50.value == pytest.approx(0.1)
    assert row.itl.mean == pytest.approx((219 * 0.1 + 0.3) / 220)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_the_order_in_which_workers_are_merged_changes_nothing(generator):
    """To the last bit: sums are made in one order."""
    chance = random.Random(1)
    records = numbered(
        at(chance.uniform(0, 33), first_token_seconds=chance.uniform(0.1, 1), worker=n % 2)
        for n in range(60)
    )
    mixed = records[:]
    generator.shuffle(mixed)
    step = timing()
    assert summarise_step(step, mixed, asked(TTFT)) == summarise_step(step, records, asked(TTFT))


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (Users(1), "1 user"),
        (Users(8), "8 users"),
        (Rate(2.5), "2.5 requests/s"),
        (Rate(1, until_per_second=4), "1 to 4 requests/s"),
    ],
)
def test_a_load_has_a_name(load, text):
    """As tables and sentences show it."""
    assert label(load) == text


def test_a_step_says_what_was_offered():
    """The load and the times of the step are in its result."""
    rate = Rate(2.0, Arrivals.CONSTANT, 4.0)
    step = summarise_step(timing(rate, in_flight_at_end=3), [], asked())
    assert (step.users, step.rate_per_second, step.until_rate_per_second) == (None, 2.0, 4.0)
    assert (step.arrivals, step.in_flight_at_end, step.drain_seconds) == ("constant", 3, 1.0)
    assert summarise_step(timing(Users(7)), [], asked()).users == 7


def test_a_summary_comes_back_from_its_file(tmp_path):
    """With `never`, and with what is absent."""
    steps = [step_of([GOOD] * 70 + [LOST] * 30, TTFT)]
    whole = run_of(*steps, objectives=(TTFT,))
    write_summary(tmp_path / "summary.json", whole)
    assert read_summary(tmp_path / "summary.json") == whole
    assert isinstance(whole, Summary)
    assert b"Infinity" not in msgspec.json.encode(whole)


def test_a_summary_counts_the_models_that_answered():
    """More than one is a finding."""
    records = [GOOD, change(GOOD, model="other"), change(LOST, model=None)]
    whole = summarise({"scenario": "mixed"}, VALID, asked(), [step_of(records)], records)
    assert whole.models == {"other": 1, "scripted": 1}
    assert whole.objectives == {"name": "asked"}


@pytest.mark.parametrize(("valid", "met"), [(True, Met.MISSED), (False, Met.UNDECIDED)])
def test_an_invalid_measurement_is_shown_and_decides_nothing(valid, met):
    """No step and no objective of it, though every figure stays."""
    step = step_of([GOOD] * 80 + [LOST] * 20)
    found = run_of(step, certificate=change(VALID, valid=valid)).steps[0]
    assert (found.met, found.judgements[0].met, found.judgements[0].measured) == (met, met, 0.8)
    assert found.judgements[0].sure is valid
    assert found.rows == step.rows
