"""Where a request's time went: nothing of it is lost or counted twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.timeline import BEFORE_FIRST_TOKEN, EngineTimes, Stage, Timeline

SECONDS = st.floats(0, 1e4)
SAID = st.none() | st.floats(0, 1e7)
TIMES = st.builds(EngineTimes, SAID, SAID, SAID)


def walked(steps: list[tuple[Stage, float]]) -> tuple[Timeline, float]:
    """Return a timeline that has gone through stages, each entered after some seconds."""
    timeline, now = Timeline(0.0), 0.0
    for stage, seconds in steps:
        now += seconds
        timeline.enter(stage, now)
    timeline.end(now + 1)
    return timeline, now + 1


@given(st.lists(st.tuples(st.sampled_from(Stage), SECONDS)))
def test_stages_add_up_to_the_whole(steps):
    """Also where a stage is entered twice."""
    timeline, duration = walked(steps)
    assert sum(timeline.seconds.values()) == pytest.approx(duration)


@given(SECONDS, TIMES)
def test_the_wait_for_a_first_token_is_divided(wait, times):
    """Whatever the engine says, no part is negative and they add up to the wait we saw."""
    timeline, duration = walked([(Stage.PREFILL, 1), (Stage.THINKING, wait)])
    timeline.split_first_token(times)
    assert min(timeline.seconds.values()) >= 0
    assert sum(timeline.seconds.values()) == pytest.approx(duration)


@given(SECONDS, st.none() | TIMES, st.floats(0, 1))
def test_a_whole_answers_wait_is_divided(wait, times, share):
    """The thought has its share of the time in which tokens were made."""
    timeline, duration = walked([(Stage.PREFILL, 1), (Stage.ANSWER, wait)])
    timeline.split_whole(times, share)
    assert min(timeline.seconds.values()) >= 0
    assert sum(timeline.seconds.values()) == pytest.approx(duration)


def test_known_parts_of_a_stream():
    """3 s before the first token, of which the engine names 2."""
    timeline, _ = walked([(Stage.PREFILL, 1), (Stage.THINKING, 3)])
    timeline.split_first_token(EngineTimes(queue_time_ms=500, time_to_first_token_ms=1500))
    assert [timeline.seconds[stage] for stage in BEFORE_FIRST_TOKEN] == [1.0, 0.5, 1.5]


def test_known_parts_of_a_whole_answer():
    """10 s: 1 on the way, 1 queued, 2 of prefill, 6 of tokens, a third of them thought."""
    timeline, _ = walked([(Stage.PREFILL, 0), (Stage.ANSWER, 10)])
    timeline.split_whole(EngineTimes(1000, 2000, 6000), thinking_share=1 / 3)
    seconds = {stage.value: seconds for stage, seconds in timeline.seconds.items()}
    assert seconds == pytest.approx(
        {
            "received": 0,
            "preprocessing": 1,
            "engine_queue": 1,
            "prefill": 2,
            "thinking": 2,
            "answer": 4 + 1,  # and the second it took to be sent
        }
    )


def test_an_engine_that_says_nothing_leaves_the_wait_whole():
    """It is all called prefill."""
    timeline, _ = walked([(Stage.PREFILL, 1), (Stage.THINKING, 3)])
    timeline.split_first_token(EngineTimes())
    assert timeline.seconds[Stage.PREFILL] == 3
