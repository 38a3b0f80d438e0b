"""An engine that says nothing for long: its signs of life, the client's, and where patience ends.

All seconds are those of a clock that runs ahead.
"""

import json
from typing import Any

import pytest

from tests.fake_engine import DONE, KEEP_ALIVE, answer_events, delta_event, stream, usage_event

COMMENTS = {"/v1": b": keep-alive\n\n", "/api/v1": b": OPENROUTER PROCESSING\n\n"}
BASES = pytest.mark.parametrize("base", COMMENTS)
SIGN_OF_LIFE = [20.0, KEEP_ALIVE]
FOR_EVER = SIGN_OF_LIFE * 1000
LIMIT = 60


def chat(gateway: Any, base: str, **fields: Any) -> Any:
    """Ask a chat question in a dialect, as a stream unless told otherwise."""
    return gateway.chat(path=f"{base}/chat/completions", **{"stream": True} | fields)


def texts(body: bytes) -> str:
    """Put the answer of a stream together."""
    blocks = [block for block in body.split(b"\n\n") if block.startswith(b"data: {")]
    choices = [choice for block in blocks for choice in json.loads(block[6:])["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def last_event(body: bytes) -> dict[str, Any]:
    """Return the last event of a stream."""
    event: dict[str, Any] = json.loads(body.strip().split(b"\n\n")[-1].removeprefix(b"data: "))
    return event


@BASES
def test_signs_of_life_open_the_stream_and_pass_between_tokens(start_fast, base):
    """The client hears them in its own dialect, where the engine sent them."""
    engine, gateway = start_fast()
    first, *rest = answer_events()
    engine.play(stream([*SIGN_OF_LIFE * 2, 20.0, first, *SIGN_OF_LIFE, 20.0, *rest]))
    answer = chat(gateway, base)
    assert answer.status == 200
    assert answer.body.startswith(COMMENTS[base] * 2 + b"data: ")
    assert answer.body.count(COMMENTS[base]) == 3
    assert texts(answer.body) == "red"
    assert answer.body.endswith(DONE)


def test_a_client_that_has_just_heard_something_needs_no_sign(start_fast):
    """Comments that come soon after an event stay with the gateway."""
    engine, gateway = start_fast()
    engine.play(stream([delta_event(content="a"), KEEP_ALIVE, *answer_events()]))
    assert b": keep-alive" not in chat(gateway, "/v1").body


@BASES
def test_a_hidden_thought_is_no_silence(start_fast, base):
    """The client that waits for the answer hears that somebody is there."""
    engine, gateway = start_fast()
    thoughts = [delta_event(reasoning="θ"), 10.0] * 3
    engine.play(stream([*thoughts, delta_event(content="red"), usage_event(), DONE]))
    answer = chat(gateway, base, reasoning={"exclude": True})
    assert COMMENTS[base] in answer.body
    assert texts(answer.body) == "red"
    assert "θ" not in answer.body.decode()


@BASES
@pytest.mark.parametrize(
    ("begun", "phase"),
    [([], "first byte"), ([delta_event(content="a")], "stream")],
    ids=["never begun", "broken off"],
)
def test_signs_of_life_alone_are_not_waited_for_for_ever(start_fast, base, begun, phase):
    """An engine that hangs while its server still talks is given up, and told so in the stream."""
    engine, gateway = start_fast(idle_timeout_seconds=LIMIT)
    engine.play(stream([*begun, *FOR_EVER]))
    answer = chat(gateway, base)
    assert answer.status == 200
    assert 1 <= answer.body.count(COMMENTS[base]) <= LIMIT // 20
    event = last_event(answer.body)
    assert f"phase: {phase}" in event["error"]["message"]
    assert event["error"]["code"] == (504 if base == "/api/v1" else "engine_timeout")
    if base == "/api/v1":
        assert event["choices"][0]["finish_reason"] == "error"
        assert event["error"]["metadata"]["error_type"] == "timeout"


@pytest.mark.parametrize("begun", [[], [delta_event(content="a")]], ids=["never begun", "broken"])
def test_an_answer_put_together_here_is_given_up_too(start_fast, begun):
    """What is to be whole has a status."""
    engine, gateway = start_fast(idle_timeout_seconds=LIMIT)
    engine.play(stream([*begun, *FOR_EVER]))
    answer = chat(gateway, "/v1", stream=False, stop=["x"])
    assert (answer.status, answer.error["code"]) == (504, "engine_timeout")


@pytest.mark.parametrize("fields", [{}, {"stream": False, "stop": ["x"]}], ids=["stream", "whole"])
def test_before_the_first_token_a_working_engine_is_waited_for(start_fast, fields):
    """Others are served first: that may take longer than any limit of silence."""
    engine, gateway = start_fast(idle_timeout_seconds=LIMIT)
    engine.works = True
    gateway.wait_ready()
    engine.play(stream([*SIGN_OF_LIFE * 5, *answer_events()]))
    answer = chat(gateway, "/v1", **fields)
    assert answer.status == 200
    assert b"[DONE]" in answer.body or answer.json["choices"][0]["message"]["content"] == "red"


def test_after_the_first_token_other_work_is_no_excuse(start_fast):
    """A stream that has begun gets its turn in every step of the engine."""
    engine, gateway = start_fast(idle_timeout_seconds=LIMIT)
    engine.works = True
    engine.play(stream([delta_event(content="a"), *FOR_EVER]))
    assert last_event(chat(gateway, "/v1").body)["error"]["code"] == "engine_timeout"
