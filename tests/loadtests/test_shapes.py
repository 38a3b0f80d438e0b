"""Which step comes next, after steps that ended as invented here."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.result import Met, Row, Share, Spread, StepResult, Work
from loadtests.shapes import (
    LONGER,
    Arrivals,
    Ramp,
    Rate,
    Saturation,
    Search,
    Single,
    Step,
    Steps,
    Users,
)

NOTHING = Work(**dict.fromkeys(Work.__struct_fields__, 0.0))
TIMES = {"seconds": 12, "settle_seconds": 3, "drain_seconds": 30}


def ended(step, met=Met.MET, *, tokens=0.0, requests=0.0):
    """Return what a step of this load came to."""
    share, spread = Share(part=0, whole=0), Spread(n=0)
    work = msgspec.structs.replace(NOTHING, requests=requests, reasoning_tokens=tokens)
    values = {"kind": "all", "per_second": work, "mean": None, "cost_usd": None, "failures": {}}
    for name in Row.__struct_fields__:
        kind = Row.__annotations__[name]
        values.setdefault(name, {Share: share, Spread: spread}.get(kind, 0))
    load = step.load
    return StepResult(
        index=step.index,
        label="",
        users=load.users if isinstance(load, Users) else None,
        rate_per_second=load.per_second if isinstance(load, Rate) else None,
        until_rate_per_second=None,
        arrivals=None,
        began_seconds=0,
        counted_from_seconds=0,
        ended_seconds=0,
        drain_seconds=0,
        in_flight_at_end=0,
        censored=0,
        settling_requests=0,
        settling_failures=0,
        rows=(Row(**values),),
        judgements=(),
        met=met,
    )


def play(shape, endpoint, most=100):
    """Play a shape against `endpoint`, which tells what a step comes to; return both lists."""
    steps, finished = [], []
    while (step := shape.next(finished)) is not None:
        steps.append(step)
        finished.append(endpoint(step))
        assert len(steps) <= most, "a shape has an end"
    assert [step.index for step in steps] == list(range(len(steps)))
    return steps, finished


def size(step):
    """Return how much load a step offers."""
    return step.load.users if isinstance(step.load, Users) else step.load.per_second


def limit(most, undecided=()):
    """Return an endpoint that meets its objectives up to a load, and is unsure at some."""

    def endpoint(step):
        if size(step) in undecided:
            return ended(step, Met.UNDECIDED)
        return ended(step, Met.MET if size(step) <= most else Met.MISSED)

    return endpoint


def test_one_load_is_one_step():
    """A single step, known before, with the lengths it was given."""
    shape = Single(Users(4), **TIMES)
    steps, _ = play(shape, ended)
    assert steps == [Step(0, Users(4), 12, 3, 30)] == list(shape.steps())


def test_steps_follow_each_other_whatever_they_show():
    """All loads are played in order."""
    shape = Steps((Users(1), Users(8), Rate(2)), **TIMES)
    steps, _ = play(shape, lambda step: ended(step, Met.MISSED))
    assert [step.load for step in steps] == [Users(1), Users(8), Rate(2)]
    assert list(shape.steps()) == steps


def test_a_ramp_is_one_step_of_a_bent_rate():
    """It goes from one rate to the other."""
    shape = Ramp(1, 9, Arrivals.CONSTANT, **TIMES)
    steps, _ = play(shape, ended)
    assert [step.load for step in steps] == [Rate(1, Arrivals.CONSTANT, 9)]
    assert list(shape.steps()) == steps


def test_saturation_ends_where_throughput_stops_growing():
    """An endpoint with room for eight: 16 users bring no more than 8 do."""
    steps, _ = play(
        Saturation(Users(1), **TIMES), lambda step: ended(step, tokens=min(size(step), 8) * 10.0)
    )
    assert [size(step) for step in steps] == [1, 2, 4, 8, 16]


def test_saturation_counts_requests_where_there_are_no_tokens():
    """An endpoint without usage still has a throughput."""
    steps, _ = play(
        Saturation(Rate(1), factor=3, **TIMES),
        lambda step: ended(step, requests=min(size(step), 5)),
    )
    assert [size(step) for step in steps] == [1, 3, 9, 27]


def test_saturation_ends_at_the_second_miss():
    """Growing throughput does not excuse missed objectives for ever."""
    steps, _ = play(
        Saturation(Users(1), **TIMES),
        lambda step: ended(step, Met.MET if size(step) <= 2 else Met.MISSED, tokens=size(step)),
    )
    assert [size(step) for step in steps] == [1, 2, 4, 8]


def test_saturation_has_a_last_step():
    """An endpoint without end is not loaded without end."""
    steps, _ = play(
        Saturation(Users(1), max_steps=5, **TIMES), lambda step: ended(step, tokens=size(step))
    )
    assert len(steps) == 5


@pytest.mark.parametrize(
    ("load", "most", "probes"),
    [
        (Users(1), 5, [1, 2, 4, 8, 6, 5]),
        (Users(4), 1, [4, 2, 1]),
        (Users(4), 0, [4, 2, 1]),
        (Rate(1), 3, [1, 2, 4, 3, 3.5, 3.25]),
        (Rate(2), 1.1, [2, 1, 1.5, 1.25, 1.125, 1.0625]),
    ],
)
def test_a_search_doubles_then_halves(load, most, probes):
    """The probes of a known endpoint."""
    steps, _ = play(Search(load, **TIMES), limit(most))
    assert [size(step) for step in steps] == probes


@given(st.integers(0, 5000), st.integers(1, 64), st.floats(0, 0.5))
@settings(max_examples=40)
def test_a_search_for_users_brackets_the_limit(most, first, tolerance):
    """It ends, and the limit lies between what met and what missed, as close as was asked."""
    shape = Search(Users(first), tolerance, max_probes=40)
    _, finished = play(shape, limit(most))
    found = shape.bracket(finished)
    assert found.met <= most < found.missed
    assert found.missed - found.met <= max(1, tolerance * found.met)


@given(st.floats(0.05, 500), st.floats(0.1, 50), st.floats(0.02, 0.5))
@settings(max_examples=40)
def test_a_search_for_a_rate_brackets_the_limit(most, first, tolerance):
    """The same, for rates."""
    shape = Search(Rate(first), tolerance, max_probes=60)
    _, finished = play(shape, limit(most))
    found = shape.bracket(finished)
    assert found.met <= most < found.missed
    assert found.missed - found.met <= tolerance * found.met


@given(st.lists(st.sampled_from(Met), min_size=30, max_size=30), st.booleans())
@settings(max_examples=40)
def test_a_search_ends_whatever_the_steps_show(verdicts, open_loop):
    """However unsteady the endpoint is: within its probes, and each load is above zero."""
    shape = Search(Rate(1) if open_loop else Users(1))
    steps, finished = play(shape, lambda step: ended(step, verdicts[step.index]))
    assert len(steps) <= shape.max_probes
    assert all(size(step) > 0 for step in steps)
    found = shape.bracket(finished)
    assert found.met < found.missed


def test_an_undecided_step_is_played_once_more_and_longer():
    """Undecided again, it counts as missed, and the search says so."""
    shape = Search(Users(1), **TIMES)
    steps, finished = play(shape, limit(3, undecided={4}))
    assert [size(step) for step in steps] == [1, 2, 4, 4, 3]
    assert [step.seconds for step in steps] == [12, 12, 12, 12 * LONGER, 12]
    found = shape.bracket(finished)
    assert (found.met, found.missed, found.unproven) == (3, 4, (4,))
    assert "Too few requests to decide, twice, and so counted as missed: 4." in found.sentence


def test_an_undecided_step_that_decides_goes_on():
    """The longer step's verdict holds."""
    seen = []

    def endpoint(step):
        seen.append(size(step))
        unsure = seen.count(2) == 1 and size(step) == 2
        return ended(step, Met.UNDECIDED if unsure else Met.MET if size(step) <= 2 else Met.MISSED)

    steps, _ = play(Search(Users(1), **TIMES), endpoint)
    assert [size(step) for step in steps] == [1, 2, 2, 4, 3]


@pytest.mark.parametrize(
    ("most", "sentence"),
    [
        (5, "5 met the objectives, 6 did not."),
        (0, "Not even 1 met the objectives."),
        (math.inf, "2048 met the objectives, and nothing higher was tried."),
    ],
)
def test_a_search_says_what_it_found(most, sentence):
    """One sentence for the report."""
    shape = Search(Users(1))
    _, finished = play(shape, limit(most))
    assert shape.bracket(finished).sentence == sentence
