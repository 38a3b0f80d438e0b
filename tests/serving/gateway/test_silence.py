"""An engine that says nothing for long: its signs of life, the client's, and where patience ends.

Seconds are those of a clock that runs ahead. No verdict hangs on a pause of the machine: where a
client must have heard something, the engine goes on only then.
"""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.fake_engine import (
    DONE,
    KEEP_ALIVE,
    Script,
    Wire,
    answer_events,
    delta_event,
    stream,
    usage_event,
)

COMMENTS = {"/v1": b": keep-alive\n\n", "/api/v1": b": OPENROUTER PROCESSING\n\n"}
BASES = pytest.mark.parametrize("base", COMMENTS)
FOR_EVER = [20.0, KEEP_ALIVE] * 1000
LIMIT, NO_LIMIT = 60, 100_000


class Repeated:
    """An event that is sent every 10 seconds until the test has heard what it waits for."""

    def __init__(self, event: bytes) -> None:
        self.event = event
        self.heard = threading.Event()


def play(*steps: bytes | Repeated) -> Script:
    """Stream events; those to be repeated until they were heard."""

    async def playing(wire: Wire) -> None:
        await wire.head(200, "text/event-stream")
        for step in steps:
            if isinstance(step, bytes):
                await wire.chunk(step)
                continue
            while not step.heard.is_set():
                await asyncio.sleep(10)
                await wire.chunk(step.event)
        await wire.chunk(b"")

    return playing


def chat(gateway: Any, base: str, **fields: Any) -> Any:
    """Ask a chat question in a dialect, as a stream unless told otherwise."""
    return gateway.chat(path=f"{base}/chat/completions", **{"stream": True} | fields)


def hear(gateway: Any, base: str, *waits: Repeated, **fields: Any) -> bytes:
    """Ask for a stream; at the first comment, and the first after an event, the engine goes on."""
    connection, waiting, heard, due = gateway.connect(), list(waits), b"", True
    question = {"messages": [{"role": "user", "content": "hi"}], "stream": True} | fields
    try:
        connection.request("POST", f"{base}/chat/completions", json.dumps(question))
        response = connection.getresponse()
        while line := response.readline():
            heard += line
            if line.startswith(b":") and due and waiting:
                waiting.pop(0).heard.set()
            due = line.startswith(b"data:") or (due and not line.startswith(b":"))
        return heard
    finally:
        connection.close()


def texts(body: bytes) -> str:
    """Put the answer of a stream together."""
    blocks = [block for block in body.split(b"\n\n") if block.startswith(b"data: {")]
    choices = [choice for block in blocks for choice in json.loads(block[6:])["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def told(answer: Any) -> dict[str, Any]:
    """Return what a broken answer ends with, in the form that was still open."""
    last = answer.body.strip().split(b"\n\n")[-1].removeprefix(b"data: ")
    event: dict[str, Any] = json.loads(last)
    return event


@BASES
def test_signs_of_life_open_the_stream_and_pass_between_tokens(start_fast, base):
    """The client hears them in its own dialect, before the first token and later."""
    engine, gateway = start_fast(idle_timeout_seconds=NO_LIMIT)
    first, *rest = answer_events()
    before, between = Repeated(KEEP_ALIVE), Repeated(KEEP_ALIVE)
    engine.play(play(before, first, between, *rest))
    body = hear(gateway, base, before, between)
    assert body.startswith(COMMENTS[base])
    start = body.partition(b"data: ")[2]
    assert COMMENTS[base] in start
    assert (b": keep-alive" in body) is (base == "/v1")
    assert texts(body) == "red"
    assert body.endswith(DONE)


@BASES
def test_a_hidden_thought_is_no_silence(start_fast, base):
    """The client that waits for the answer hears that somebody is there."""
    engine, gateway = start_fast(idle_timeout_seconds=NO_LIMIT)
    thought = Repeated(delta_event(reasoning="θ"))
    engine.play(play(thought, delta_event(content="red"), usage_event(), DONE))
    body = hear(gateway, base, thought, reasoning={"exclude": True})
    assert texts(body) == "red"
    assert "θ" not in body.decode()


def test_a_client_that_has_just_heard_something_needs_no_sign(engine, gateway):
    """Comments that come soon after an event stay with the gateway."""
    engine.play(stream([delta_event(content="a"), KEEP_ALIVE, *answer_events()]))
    assert b": keep-alive" not in chat(gateway, "/v1").body


@BASES
@pytest.mark.parametrize(
    ("begun", "phase"),
    [([], "first byte"), ([delta_event(content="a")], "stream")],
    ids=["never begun", "broken off"],
)
def test_signs_of_life_alone_are_not_waited_for_for_ever(start_fast, base, begun, phase):
    """An engine that hangs while its server still talks is given up, and the client is told."""
    engine, gateway = start_fast(idle_timeout_seconds=LIMIT)
    engine.play(stream([*begun, *FOR_EVER]))
    answer = chat(gateway, base)
    event = told(answer)
    assert f"phase: {phase}" in event["error"]["message"]
    assert event["error"]["code"] == (504 if base == "/api/v1" else "engine_timeout")
    if begun and base == "/api/v1":
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
    engine, gateway = start_fast(works=True, idle_timeout_seconds=LIMIT)
    engine.play(stream([*FOR_EVER[:10], *answer_events()]))
    answer = chat(gateway, "/v1", **fields)
    assert answer.status == 200
    assert b"[DONE]" in answer.body or answer.json["choices"][0]["message"]["content"] == "red"


def test_after_the_first_token_other_work_is_no_excuse(start_fast):
    """A stream that has begun gets its turn in every step of the engine."""
    engine, gateway = start_fast(works=True, idle_timeout_seconds=LIMIT)
    engine.play(stream([delta_event(content="a"), *FOR_EVER]))
    assert told(chat(gateway, "/v1"))["error"]["code"] == "engine_timeout"
