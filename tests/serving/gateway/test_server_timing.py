"""Server-Timing: what a client is told of its request's stages."""

import re
from collections.abc import Callable

import pytest

from serving.gateway.server_timing import server_timing
from serving.gateway.timeline import Stage, Timeline
from tests.fake_engine import UNARY, FakeEngine, refusal, slow_first_byte, stream, whole
from tests.serving.gateway.conftest import RunningGateway

METRIC = re.compile(r"([a-z_]+);dur=(\d+\.\d)")


def test_stages_stand_in_their_order_and_the_running_one_counts() -> None:
    """Times are in ms; the stage that goes on is told as far as it has come."""
    timeline = Timeline(10.0)
    timeline.enter(Stage.ADMITTED, 10.0021)
    timeline.enter(Stage.PREFILL, 10.003)
    timeline.enter(Stage.ADMITTED, 10.25)

    told = server_timing(timeline, 11.0)

    assert told == b"received;dur=2.1, admitted;dur=750.9, prefill;dur=247.0"


def test_what_took_no_time_is_not_told() -> None:
    """A stage that a request has not come to is left out; a request without stages tells none."""
    timeline = Timeline(10.0)
    timeline.enter(Stage.MEDIA, 10.00001)

    assert server_timing(timeline, 10.5) == b"media;dur=500.0"
    assert server_timing(Timeline(10.0), 10.0) == b""


def test_telling_the_times_does_not_change_them() -> None:
    """A timeline goes on after it was told, and its seconds still add up."""
    timeline = Timeline(10.0)
    server_timing(timeline, 11.0)
    timeline.enter(Stage.ANSWER, 12.0)
    timeline.end(15.0)

    assert timeline.seconds == {Stage.RECEIVED: 2.0, Stage.ANSWER: 3.0}


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_tells_how_long_the_engine_took(
    gateway: RunningGateway, engine: FakeEngine, streamed: bool
) -> None:
    """The wait for the engine stands in the header, streamed or not."""
    answer = stream([b""]) if streamed else whole(UNARY)
    engine.play(slow_first_byte(0.3, engine.default if streamed else answer))

    headers = gateway.chat(stream=streamed).headers

    told = dict(METRIC.findall(headers["server-timing"]))
    assert ", ".join(f"{stage};dur={ms}" for stage, ms in told.items()) == headers["server-timing"]
    assert set(told) <= {stage.value for stage in Stage}
    waited = sum(float(told.get(stage, 0)) for stage in ("prefill", "thinking", "answer"))
    assert waited >= 300


def test_an_error_tells_its_times_too(
    gateway: RunningGateway, engine: FakeEngine, wait_for: Callable[..., None]
) -> None:
    """Who asks why it failed can ask how long it took."""
    engine.play(refusal(400, "no"))

    answer = gateway.chat()

    assert answer.status == 400
    assert METRIC.search(answer.headers["server-timing"])
