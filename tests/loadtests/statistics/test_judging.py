"""Whether objectives are met, on both sides of every rule."""

import math

import pytest

from loadtests.outcome import Outcome
from loadtests.result import Met
from loadtests.statistics.judging import FEWEST, is_good
from loadtests.statistics.objectives import Objective
from tests.loadtests.samples import ANSWERED, GOOD, LOST, at, change, step_of

TTFT = Objective("ttft", 1.0, 0.95)
FAST, SLOW = GOOD, change(GOOD, first_token_seconds=1.5, last_token_seconds=3.5)


def judged(objective, records):
    """Judge one objective over a step of these requests."""
    return step_of(records, objective).judgements[0]


@pytest.mark.parametrize(
    ("fast", "slow", "met", "sure"),
    [
        pytest.param(130, 0, Met.MET, True, id="all within"),
        pytest.param(124, 6, Met.MET, False, id="p95 just within"),
        pytest.param(123, 7, Met.MISSED, False, id="p95 just over"),
        pytest.param(100, 30, Met.MISSED, True, id="far over"),
        pytest.param(72, 0, Met.MET, True, id="few, but 0.95^72 is under 2.5 %"),
        pytest.param(71, 0, Met.UNDECIDED, False, id="one fewer, 0.95^71 is not"),
        pytest.param(120, 9, Met.UNDECIDED, False, id="one fewer than the 130 of a p95"),
        pytest.param(0, 2, Met.MISSED, True, id="two late, 5 %² is under 2.5 %"),
        pytest.param(0, 1, Met.UNDECIDED, False, id="one late, 5 % is not"),
    ],
)
def test_a_time_is_judged_as_surely_as_its_sample_allows(fast, slow, met, sure):
    """By the interval where it lies on one side, else by the point, else not at all."""
    found = judged(TTFT, [FAST] * fast + [SLOW] * slow)
    assert (found.met, found.sure) == (met, sure)


def test_the_limit_itself_is_within():
    """At most one second holds one second."""
    exact = change(GOOD, first_token_seconds=1.0)
    assert judged(TTFT, [exact] * 130).met is Met.MET
    assert judged(TTFT, [change(GOOD, first_token_seconds=1.0001)] * 130).met is Met.MISSED


def test_what_is_undecided_says_how_much_more_it_takes():
    """60 requests in 30 s: 70 more are wanted, 35 s at this pace, and no value is shown."""
    found = judged(TTFT, [at(3 + i / 2) for i in range(60)])
    assert (found.met, found.measured) == (Met.UNDECIDED, None)
    assert (found.more_requests, found.more_seconds) == (70, pytest.approx(35))
    assert judged(TTFT, [FAST] * 130).more_requests == 0


def test_no_request_decides_nothing():
    """And nobody can say how long it would take."""
    found = judged(TTFT, [])
    assert (found.met, found.more_requests, found.more_seconds) == (Met.UNDECIDED, 130, None)


def test_failures_are_never_in_time():
    """Seven of 130 push the p95 to never."""
    found = judged(TTFT, [FAST] * 123 + [LOST] * 7)
    assert (found.measured, found.met) == ("never", Met.MISSED)


@pytest.mark.parametrize(
    ("good", "lost", "met", "sure"),
    [
        pytest.param(99, 1, Met.MET, False, id="exactly 99 %"),
        pytest.param(98, 1, Met.MISSED, False, id="just under"),
        pytest.param(80, 20, Met.MISSED, True, id="far under"),
        pytest.param(381, 0, Met.MET, True, id="Wilson's low end is 99.002 %"),
        pytest.param(380, 0, Met.MET, False, id="Wilson's low end is 98.999 %"),
        pytest.param(FEWEST, 0, Met.MET, False, id="the fewest"),
        pytest.param(FEWEST - 1, 0, Met.UNDECIDED, False, id="too few"),
        pytest.param(0, 1, Met.MISSED, True, id="surely bad at once"),
    ],
)
def test_a_share_is_judged_by_its_wilson_interval(good, lost, met, sure):
    """n/(n + 1.96²) is Wilson's low end where nothing failed."""
    found = judged(ANSWERED, [GOOD] * good + [LOST] * lost)
    assert (found.met, found.sure) == (met, sure)


def test_the_right_share_is_of_answers_that_are_known():
    """Others are neither right nor wrong."""
    records = [GOOD] * 9 + [change(GOOD, right=False)] + [change(GOOD, right=None)] * 50
    found = judged(Objective("right", 0.8), [*records, *records])
    assert found.measured == 0.9


def test_a_streams_speed_is_judged_from_its_slow_end():
    """p90 of 90 is what 90 % of the streams reach; a failed one has no speed at all."""
    objective = Objective("stream_tokens_per_second", 9.0, 0.9)
    slow = change(GOOD, last_token_seconds=4.5)  # 5 tokens/s; GOOD has 10
    assert judged(objective, [GOOD] * 90 + [slow] * 10).measured == pytest.approx(10)
    assert judged(objective, [GOOD] * 89 + [slow] * 11).measured == pytest.approx(5)
    assert judged(objective, [GOOD] * 89 + [slow] * 11).met is Met.MISSED
    assert judged(objective, [GOOD] * 89 + [LOST] * 11).measured == 0
    sure = judged(objective, [GOOD] * 100)
    assert (sure.met, sure.sure) == (Met.MET, True)


def test_a_picture_is_compared_with_text_of_the_same_step():
    """What one picture adds to the median time to first token; two pictures are left out."""
    objective = Objective("picture_ttft", 0.22, 0.5)
    picture = change(GOOD, picture_count=1, first_token_seconds=0.7)
    many = change(GOOD, picture_count=2, first_token_seconds=9.0)
    found = judged(objective, [GOOD] * 11 + [picture] * 11 + [many] * 50)
    assert (found.measured, found.met, found.sure) == (pytest.approx(0.2), Met.MET, True)
    few = judged(objective, [GOOD] * 10 + [picture] * 5)
    assert (few.met, few.more_requests, few.measured) == (Met.UNDECIDED, 6, None)
    assert judged(objective, [GOOD] * 11).met is Met.UNDECIDED
    lost = change(LOST, picture_count=1)
    assert judged(objective, [GOOD] * 11 + [picture] * 5 + [lost] * 6).measured == "never"
    assert judged(objective, [LOST] * 11 + [picture] * 11).met is Met.UNDECIDED


def test_a_rate_is_judged_by_its_batches():
    """Two requests of two pictures begin each second: 4 a second, hardly varying."""
    steady = [at(i / 2, picture_count=2) for i in range(80)]
    found = judged(Objective("images_per_second", 3.0), steady)
    assert (found.met, found.sure, found.measured) == (Met.MET, True, pytest.approx(4, rel=0.01))
    missed = judged(Objective("images_per_second", 5.0), steady)
    assert (missed.met, missed.sure) == (Met.MISSED, True)


def test_an_objective_asks_of_its_kinds():
    """The others may be as slow as they like."""
    video = change(SLOW, kind="video")
    found = judged(Objective("ttft", 1.0, 0.5, ("text",)), [FAST] * 20 + [video] * 80)
    assert (found.met, found.kind) == (Met.MET, "text")
    found = judged(Objective("ttft", 1.0, 0.5, ("video",)), [FAST] * 80 + [video] * 20)
    assert found.met is Met.MISSED


@pytest.mark.parametrize(
    ("record", "good"),
    [
        pytest.param(FAST, True, id="in time"),
        pytest.param(SLOW, False, id="late"),
        pytest.param(LOST, False, id="failed"),
        pytest.param(change(SLOW, kind="video"), True, id="late, but nothing is asked of its kind"),
        pytest.param(change(FAST, completion_tokens=None), True, id="pace cannot be told"),
        pytest.param(change(FAST, last_token_seconds=9.0), False, id="slow stream"),
    ],
)
def test_a_good_request_is_answered_and_in_time(record, good):
    """Shares, rates and medians of pictures are asked of all together, not of one."""
    objectives = [
        Objective("ttft", 1.0, 0.95, ("text",)),
        Objective("stream_tokens_per_second", 5.0, 0.5),
        Objective("picture_ttft", 1e-6, 0.5),
        Objective("images_per_second", math.inf),
        ANSWERED,
    ]
    assert is_good(record, objectives) is good


def test_a_stream_that_broke_in_time_is_not_good():
    """Its first token kept the one limit there is, but nobody has an answer."""
    assert is_good(FAST, [TTFT])
    assert not is_good(change(FAST, outcome=Outcome.CUT_STREAM), [TTFT])


def test_the_good_share_is_an_objective_of_its_own():
    """As a search for 95 % attainment wants it."""
    step = step_of([FAST] * 19 + [SLOW], Objective("good", 0.95), Objective("ttft", 1.0, 0.5))
    assert step.judgements[0].measured == 0.95
    assert step.all.good.part == 19


RATE = Objective("requests_per_second", 1000.0)
UNKNOWN = Objective("ttft", 1.0, 0.99)


@pytest.mark.parametrize(
    ("objectives", "met"),
    [
        pytest.param((TTFT, ANSWERED), Met.MET, id="all met"),
        pytest.param((TTFT, UNKNOWN), Met.UNDECIDED, id="one undecided"),
        pytest.param((UNKNOWN, Objective("ttft", 0.1, 0.5)), Met.MISSED, id="one missed"),
        pytest.param((TTFT, RATE), Met.MET, id="a rate is not reached"),
        pytest.param((RATE,), Met.MISSED, id="and nothing else is asked"),
    ],
)
def test_one_miss_misses_a_step(objectives, met):
    """One that is undecided leaves it open; a rate is left to the whole run."""
    assert step_of([FAST] * 200, *objectives).met is met
