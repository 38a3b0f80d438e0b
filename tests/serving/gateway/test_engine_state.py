"""The watchdog and readiness, as a table of readings over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.engine_state import EngineState, Objection, Sample

FIRST, SECOND = (1, 1), (2, 2)
LIMIT = 60


def state_after(*readings: tuple[float, object]) -> EngineState:
    """Return a state after readings: (time, Sample), (time, (Sample, ours)), "slow" or "gone"."""
    state = EngineState(LIMIT)
    for now, reading in readings:
        match reading:
            case Sample():
                state.answered(now, reading, FIRST)
            case (Sample() as sample, int(ours)):
                state.answered(now, sample, FIRST, ours)
            case _:
                state.asked(now)
                state.silent(gone=reading == "gone")
    return state


IDLE, BUSY, FURTHER = Sample(0, 5), Sample(2, 5), Sample(2, 6)
CHUNK = Sample(2, 5, kv_cache_usage=0.1)
OURS = (IDLE, 3)


@pytest.mark.parametrize(
    ("readings", "now", "why"),
    [
        pytest.param([], 1e6, None, id="never ready: no verdict"),
        pytest.param([(0, "slow"), (500, "gone")], 1e6, None, id="never ready, gone"),
        pytest.param([(0, IDLE), (3, "slow")], 62, None, id="silent for less than the limit"),
        pytest.param([(0, IDLE), (3, "slow"), (9, "slow")], 63, "silent", id="silent for longer"),
        pytest.param([(0, IDLE), (3, "gone")], 63, "silent", id="gone for longer"),
        pytest.param(
            [(0, IDLE), (30, "slow"), (36, IDLE)], 91, None, id="one slow reading is not death"
        ),
        pytest.param([(0, IDLE), (600, IDLE)], 601, None, id="idle may stand still"),
        pytest.param([(0, BUSY), (30, BUSY), (59, BUSY)], 59.5, None, id="busy, still within"),
        pytest.param([(0, BUSY), (30, BUSY), (61, BUSY)], 61, "still", id="busy and stuck"),
        pytest.param([(0, BUSY), (55, FURTHER), (70, FURTHER)], 71, None, id="busy and moving"),
        pytest.param([(0, BUSY), (40, BUSY), (43, FURTHER)], 102, None, id="one step of 40 s"),
        pytest.param([(0, BUSY), (58, CHUNK), (62, CHUNK)], 117, None, id="a prompt's chunk"),
        pytest.param([(0, IDLE), (300, IDLE), (350, BUSY)], 409, None, id="work just came"),
        pytest.param([(0, IDLE), (3, OURS), (62, OURS)], 62, None, id="unreported, within"),
        pytest.param([(0, IDLE), (3, OURS), (63, OURS)], 63, "still", id="stopped while idle"),
        pytest.param([(0, BUSY), (3, "slow")], 62, None, id="silent, so that nobody knows"),
        pytest.param([(0, OURS), (30, IDLE), (33, OURS)], 92, None, id="ours ended in between"),
    ],
)
def test_watchdog_verdict(readings, now, why):
    """Stuck with work, or silent, for 60 s; never before it was ready."""
    objection = state_after(*readings).objection(now, FIRST)
    assert (objection and objection.why) == why


def test_the_verdict_says_for_how_long():
    """Seconds since the first sign of it."""
    state = state_after((0, BUSY), (62, BUSY))
    assert state.objection(75, FIRST) == Objection("still", 75)
    state.asked(80)
    assert state.objection(145, FIRST) == Objection("silent", 65)


def test_a_hung_engine_stays_hung_until_it_works():
    """Its requests are taken away, so that idleness would be no sign of health; work is."""
    state = state_after((0, IDLE), (3, OURS), (64, OURS), (67, IDLE), (300, IDLE))
    assert state.hung
    assert state.objection(301, FIRST) == Objection("still", 298)
    state.answered(303, Sample(0, 6), FIRST)
    assert not state.hung
    assert state.objection(400, FIRST) is None


def test_silence_is_not_taken_for_standstill():
    """A page that answers again after a long pause may show old numbers once."""
    state = state_after((0, BUSY), *[(at, "slow") for at in (3, 9, 15, 60)], (70, BUSY))
    assert not state.hung
    assert state.objection(71, FIRST) is None


def test_a_restarted_engine_gets_no_verdict_until_it_is_ready():
    """A new socket is a new engine; the old one's silence or hang is not held against it."""
    state = state_after((0, BUSY), (61, BUSY), (65, "gone"))
    assert state.hung
    assert state.objection(100, FIRST)
    assert state.objection(100, None)
    assert state.objection(1000, SECOND) is None
    state.answered(1001, BUSY, SECOND)
    assert not state.hung
    assert state.objection(1060, SECOND) is None
    state.answered(1062, BUSY, SECOND)
    assert state.objection(1062, SECOND)


@given(st.lists(st.tuples(st.floats(0.1, 20), st.booleans(), st.integers(0, 3)), max_size=40))
def test_an_engine_that_answers_and_moves_is_never_hung(looks):
    """Whatever its load, one movement in less than the limit and no silence keep it alive."""
    state, now, iterations, moved_at = EngineState(LIMIT), 0.0, 0, 0.0
    for pause, moves, requests in looks:
        now += pause
        if moves or now - moved_at > LIMIT - 20:
            iterations, moved_at = iterations + 1, now
        assert state.objection(now, FIRST) is None
        state.answered(now, Sample(requests, iterations), FIRST, requests)
        assert state.objection(now, FIRST) is None


@pytest.mark.parametrize(
    ("readings", "ready", "started"),
    [
        pytest.param([], False, False, id="new"),
        pytest.param([(0, IDLE)], True, True, id="answered"),
        pytest.param([(0, IDLE), (1, "slow"), (2, "slow")], True, True, id="slow twice"),
        pytest.param([(0, IDLE), *[(1, "slow")] * 3], False, True, id="slow too often"),
        pytest.param([(0, IDLE), (1, "gone")], False, False, id="gone"),
        pytest.param([(0, IDLE), (1, "gone"), (2, IDLE)], True, True, id="back"),
    ],
)
def test_readiness_and_start(readings, ready, started):
    """Ready while it answers; started while the engine that was ready is there."""
    state = state_after(*readings)
    assert (state.ready, state.started) == (ready, started)


@pytest.mark.parametrize(
    ("readings", "works"),
    [
        pytest.param([(0, IDLE), (9, IDLE)], False, id="idle"),
        pytest.param([(0, IDLE), (9, OURS)], False, id="has work, none seen"),
        pytest.param([(0, BUSY), (9, FURTHER)], True, id="moved"),
        pytest.param([(0, BUSY), (4, FURTHER), (9, FURTHER)], False, id="moved long ago"),
        pytest.param([(0, BUSY), (1, BUSY), (9, BUSY)], False, id="stuck"),
    ],
)
def test_work_is_what_moves(readings, works):
    """A request is waited for only while something is computed."""
    assert state_after(*readings).worked_within(10, 5) is works
