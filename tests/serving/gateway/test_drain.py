"""The phases of a drain, by the clock and by what happens meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.drain import Drain, Phase, Report

FIRST, SECOND = (1, 1), (2, 2)


@pytest.mark.parametrize(
    ("now", "phase", "seconds"),
    [
        (100, Phase.LEAVING, 15),
        (114, Phase.LEAVING, 1),
        (115, Phase.REFUSING, 820),
        (934, Phase.REFUSING, 1),
        (935, Phase.CUTTING, None),
    ],
)
def test_phases_follow_the_clock(now, phase, seconds):
    """Fifteen seconds of grace, then refusals, then the limit, counted from the refusals."""
    drain = Drain(15, 820)
    drain.begin(100, FIRST)
    assert drain.report(now, 3) == Report(phase, 3, 0, seconds)


@pytest.mark.parametrize(("now", "used"), [(100, 0), (115, 0), (525, 0.5), (935, 1), (2000, 1)])
def test_what_is_used_of_the_limit_counts_from_the_refusals(now, used):
    """The grace is no part of it, and there is no more than all."""
    drain = Drain(15, 820)
    assert drain.used(now) == 0
    drain.begin(100, FIRST)
    assert drain.used(now) == used


def test_a_limit_of_nothing_is_used_at_once():
    """Nothing is divided by it."""
    drain = Drain(15, 0)
    drain.insist(100)
    assert drain.used(100) == 1


def test_a_second_drain_joins_the_first():
    """Nothing begins anew."""
    drain = Drain(15, 820)
    drain.begin(100, FIRST)
    drain.begin(110, SECOND)
    assert drain.phase(115) is Phase.REFUSING
    assert not drain.renew(FIRST)


@pytest.mark.parametrize(
    ("insisted_at", "cuts_at"),
    [
        pytest.param(105, 925, id="while leaving: jumps"),
        pytest.param(500, 935, id="while refusing: no more time"),
    ],
)
def test_a_signal_skips_the_grace(insisted_at, cuts_at):
    """It refuses at once; a limit that runs already is kept."""
    drain = Drain(15, 820)
    drain.begin(100, FIRST)
    drain.insist(insisted_at)
    assert drain.phase(insisted_at) is Phase.REFUSING
    assert drain.phase(cuts_at - 1) is Phase.REFUSING
    assert drain.phase(cuts_at) is Phase.CUTTING


def test_a_signal_alone_has_no_grace():
    """On a laptop nobody routes around us."""
    drain = Drain(15, 820)
    drain.insist(100)
    assert drain.phase(100) is Phase.REFUSING


@pytest.mark.parametrize("phase_at", [101, 200, 2000])
def test_another_engine_ends_a_drain(phase_at):
    """In each phase; the same engine, and none at all, do not."""
    drain = Drain(15, 820)
    drain.begin(100, FIRST)
    drain.cut_off = 2
    assert not drain.renew(None)
    assert not drain.renew(FIRST)
    assert drain.phase(phase_at) is not Phase.SERVING
    assert drain.renew(SECOND)
    assert drain.report(phase_at, 1) == Report(Phase.SERVING, 1, 0, None)
    drain.begin(phase_at, SECOND)
    assert drain.phase(phase_at) is Phase.LEAVING


def test_an_engine_that_is_not_there_yet_ends_the_drain_when_it_comes():
    """A drain may begin while the engine restarts."""
    drain = Drain(15, 820)
    drain.begin(100, None)
    assert drain.renew(FIRST)


def test_nothing_ends_a_drain_after_a_signal():
    """The process is on its way out."""
    drain = Drain(15, 820)
    drain.begin(100, FIRST)
    drain.insist(101)
    assert not drain.renew(SECOND)


@pytest.mark.parametrize(
    ("phase", "requests", "over"),
    [
        (Phase.LEAVING, 0, False),
        (Phase.REFUSING, 1, False),
        (Phase.REFUSING, 0, True),
        (Phase.CUTTING, 1, False),
        (Phase.CUTTING, 0, True),
        (Phase.SERVING, 5, True),
    ],
)
def test_a_drain_is_over_when_nothing_can_come_and_nothing_is_left(phase, requests, over):
    """While it still serves, an idle moment is not the end."""
    assert Report(phase, requests, 0, None).is_over is over


@given(
    st.floats(0, 100),
    st.floats(0, 100),
    st.lists(st.tuples(st.sampled_from(["begin", "insist", "look"]), st.floats(0, 50))),
)
def test_without_another_engine_phases_never_go_back(grace, limit, steps):
    """Whoever asks again, the gateway only comes nearer to its end."""
    drain, now, order = Drain(grace, limit), 0.0, list(Phase)
    before = Phase.SERVING
    for step, pause in steps:
        now += pause
        if step == "begin":
            drain.begin(now, FIRST)
        elif step == "insist":
            drain.insist(now)
        assert not drain.renew(FIRST)
        assert order.index(drain.phase(now)) >= order.index(before)
        before = drain.phase(now)
