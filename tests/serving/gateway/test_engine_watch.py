"""The watchdog and readiness, as a table of readings over time and before a scripted engine."""

import pytest

from serving.gateway.engine_watch import EngineState, Sample, read_sample

FIRST, SECOND = (1, 1), (2, 2)


def state_after(*readings: tuple[float, object]) -> EngineState:
    """Return a state after readings: (time, Sample), (time, "slow") or (time, "gone")."""
    state = EngineState(watchdog_seconds=60)
    for now, reading in readings:
        if isinstance(reading, Sample):
            state.answered(now, reading, FIRST)
        else:
            state.silent(gone=reading == "gone")
    return state


IDLE, BUSY, FURTHER = Sample(0, 5), Sample(2, 5), Sample(2, 6)


@pytest.mark.parametrize(
    ("readings", "now", "alive"),
    [
        pytest.param([], 1e6, True, id="never ready: no verdict"),
        pytest.param([(0, "slow"), (500, "gone")], 1e6, True, id="never ready, gone"),
        pytest.param([(0, IDLE)], 59, True, id="silent for less than the limit"),
        pytest.param([(0, IDLE)], 61, False, id="silent for longer"),
        pytest.param([(0, IDLE), (30, "slow")], 50, True, id="one slow reading is not death"),
        pytest.param([(0, IDLE), (600, IDLE)], 601, True, id="idle may stand still"),
        pytest.param([(0, BUSY), (30, BUSY), (59, BUSY)], 59.5, True, id="busy, still within"),
        pytest.param([(0, BUSY), (30, BUSY), (61, BUSY)], 61, False, id="busy and stuck"),
        pytest.param([(0, BUSY), (55, FURTHER), (70, FURTHER)], 71, True, id="busy and moving"),
        pytest.param([(0, IDLE), (300, IDLE), (350, BUSY)], 355, True, id="work just came"),
    ],
)
def test_watchdog_verdict(readings, now, alive):
    """Stuck with work, or silent, for 60 s; never before it was ready."""
    assert state_after(*readings).alive(now, FIRST) is alive


def test_a_restarted_engine_gets_no_verdict_until_it_is_ready():
    """A new socket is a new engine; the old one's silence is not held against it."""
    state = state_after((0, BUSY), (5, "gone"))
    assert not state.alive(100, FIRST)
    assert not state.alive(100, None)
    assert state.alive(100, SECOND)
    state.answered(200, IDLE, SECOND)
    assert state.alive(201, SECOND)
    assert not state.alive(300, SECOND)


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
        pytest.param([(0, BUSY), (9, FURTHER)], True, id="moved"),
        pytest.param([(0, BUSY), (1, BUSY), (9, BUSY)], False, id="stuck"),
    ],
)
def test_work_is_what_moves(readings, works):
    """A request is waited for only while something is computed."""
    assert state_after(*readings).worked_within(10, 5) is works


def test_metrics_are_added_up_over_label_sets():
    """Several engines behind one page; look-alike names and comments do not count."""
    page = b"""# HELP vllm:num_requests_running x
vllm:num_requests_running{engine="0"} 2.0
vllm:num_requests_running{engine="1"} 3.0
vllm:num_requests_waiting{engine="0"} 1.0
vllm:num_requests_waiting_by_reason{engine="0"} 7.0
vllm:iteration_tokens_total_count{engine="0"} 41.0
vllm:iteration_tokens_total_count{engine="1"} 1.0
vllm:iteration_tokens_total_bucket{le="1"} 9.0
"""
    assert read_sample(page) == Sample(requests=6, iterations=42)
    assert read_sample(b"garbage \xff\n") == Sample(0, 0)


def test_another_model_is_not_ready(engine, start_gateway, wait_for):
    """An engine that serves something else than promised gets no traffic."""
    engine.model = "other"
    gateway = start_gateway()
    assert gateway.admin("/readyz").status == 503
    engine.model = "tiny-qwen3-vl"
    gateway.wait_ready()


def test_a_garbled_list_of_models_is_not_ready_and_not_the_end(engine, start_gateway):
    """An engine that talks nonsense is waited for."""
    engine.model = "tiny\udcff"
    gateway = start_gateway()
    assert gateway.admin("/readyz").status == 503
    engine.model = "tiny-qwen3-vl"
    gateway.wait_ready()
