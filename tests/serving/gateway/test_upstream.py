"""The engine's errors in all their forms, and its addresses."""

import json

import pytest

from serving.gateway.server import Stop
from serving.gateway.upstream import engine_error, event_error
from tests.fake_engine import UNARY, whole


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"error": {"message": "m", "code": 400}}, "m", id="vLLM"),
        pytest.param({"error": "Unauthorized"}, "Unauthorized", id="a string"),
        pytest.param({"object": "error", "message": "m"}, "m", id="flat"),
        pytest.param({"detail": "x"}, "without a reason", id="FastAPI"),
        pytest.param([1], "without a reason", id="list"),
        pytest.param(None, "without a reason", id="null"),
    ],
)
def test_the_message_is_found_in_every_form(body, message):
    """No form of an error body is a fault of ours."""
    error = engine_error(400, json.dumps(body).encode())
    assert (error.status, message in error.message) == (400, True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"error":'])
def test_a_body_that_is_no_json_still_has_its_status(body):
    """The status is kept where nothing else can be."""
    assert engine_error(404, body).status == 404


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        *((same, same) for same in (400, 404, 422, 429, 503)),
        *((theirs, 502) for theirs in (302, 401, 403, 500)),
    ],
)
def test_status_by_status(status, ours):
    """The engine refusing its own gateway is no fault of the client."""
    assert engine_error(status, b"{}").status == ours


def test_an_error_event_without_a_status_is_the_engines_fault():
    """Streams carry the status inside."""
    assert event_error(b'{"error":{"message":"m","code":"x"}}').status == 502
    assert event_error(b'{"error":{"message":"m","code":400}}').status == 400


def test_a_large_body_reaches_the_engine_whole(engine, gateway):
    """Several megabytes, sent in pieces."""
    text = "x" * 5_000_000
    engine.play(whole(UNARY))
    assert gateway.chat(messages=[{"role": "user", "content": text}]).status == 200
    assert engine.last().json["messages"][0]["content"] == text


def test_the_exit_code_is_the_second_signals():
    """One signal is a wish, two are an order."""
    stop = Stop()
    stop.request(15)
    assert (stop.wished.is_set(), stop.hurried.is_set(), stop.exit_code) == (True, False, 0)
    stop.request(2)
    assert (stop.hurried.is_set(), stop.exit_code) == (True, 130)
