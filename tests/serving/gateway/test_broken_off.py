"""Answers that the engine itself breaks off, as it does when it shuts down: never a success."""

import json

import pytest

from tests.fake_engine import DONE, UNARY, delta_event, stream, usage_event, whole

PATHS = pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/v1/chat/completions", {}, id="chat"),
        pytest.param("/api/v1/chat/completions", {}, id="openrouter"),
        pytest.param("/v1/messages", {"max_tokens": 100}, id="messages"),
        pytest.param("/v1/responses", {"messages": None, "input": "hi"}, id="responses"),
    ],
)
REASONS = pytest.mark.parametrize("reason", ["abort", "error"])


def outcomes(gateway) -> float:
    """Return how many requests ended by the engine's fault, whatever their route."""
    return gateway.metric('gateway_requests_total{outcome="engine_error"}')


@PATHS
@REASONS
def test_a_stream_that_is_broken_off_ends_with_an_error(engine, gateway, path, fields, reason):
    """What was said until then arrives; then the dialect's own error, and no good end."""
    before = outcomes(gateway)
    engine.play(stream([delta_event(content="a") + delta_event(reason), usage_event(), DONE]))
    answer = gateway.chat(path=path, stream=True, **fields)
    *said, last = answer.body.decode().strip().split("\n\n")
    data = json.loads(last.partition("data: ")[2])
    assert "broke the answer off" in json.dumps(data)
    assert data.get("type", "error") in {"error", "response.failed"}
    assert any('"a"' in event for event in said)
    assert outcomes(gateway) == before + 1


@PATHS
@REASONS
@pytest.mark.parametrize("stop", [False, True], ids=["whole", "put together"])
def test_a_whole_answer_that_is_broken_off_is_502(engine, gateway, path, fields, reason, stop):
    """Half an answer is none, and the outcome says whose fault it is."""
    before = outcomes(gateway)
    if stop:
        engine.play(stream([delta_event(content="a"), delta_event(reason), usage_event(), DONE]))
        fields = fields | {"stop_sequences" if "messages" in path else "stop": ["x"]}
    else:
        engine.play(whole(UNARY.replace(b'"stop"', b'"%s"' % reason.encode())))
    answer = gateway.chat(path=path, **fields)
    assert answer.status == 502
    assert "broke the answer off" in answer.error["message"]
    assert outcomes(gateway) == before + 1
