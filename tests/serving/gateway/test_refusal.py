"""The engine's errors in all their forms become ours, with code and field."""

import json

import pytest

from serving.gateway.refusal import engine_error, event_error


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


@pytest.mark.parametrize(
    ("said", "param", "code", "shown", "named"),
    [
        pytest.param(
            "ids [9] in logit_bias contain out-of-vocab ids (parameter=logit_bias, value=[9])",
            "logit_bias",
            "invalid_value",
            "ids [9] in logit_bias contain out-of-vocab ids",
            "logit_bias",
            id="a field's name said twice",
        ),
        pytest.param(
            'Failed to transform json schema into a grammar: [14:29:31] <path>:49: Unsupported "a"',
            None,
            "invalid_value",
            'Failed to transform json schema into a grammar: Unsupported "a"',
            "structured_outputs",
            id="a place in a library's sources",
        ),
        pytest.param(
            "Failed to transform regex into a grammar: [14:29:31] /b/regex.cc:83: Not closed.",
            None,
            "invalid_value",
            "Failed to transform regex into a grammar: Not closed.",
            "structured_outputs",
            id="a regular expression",
        ),
        pytest.param(
            "This model's maximum context length is 9 tokens. (parameter=input_tokens, value=10)",
            "input_tokens",
            "context_length_exceeded",
            "This model's maximum context length is 9 tokens.",
            "messages",
            id="a field that no client sends",
        ),
        pytest.param(
            "min_tokens must be less than or equal to max_tokens=20, got 30.",
            None,
            "invalid_value",
            "min_tokens must be less than or equal to max_tokens=20, got 30.",
            "min_tokens",
            id="a field that is only spoken of",
        ),
    ],
)
def test_a_refusal_has_code_and_field_and_none_of_the_engines_own_words(
    said, param, code, shown, named
):
    """What vLLM adds for its own log is no client's business, and what it leaves out is."""
    body = json.dumps({"error": {"message": said, "param": param, "code": 400}}).encode()
    error = engine_error(400, body)
    assert (error.code, error.message, error.param) == (code, shown, named)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("The provided JSON schema contains features not supported by xgrammar.", "multipleOf"),
        ("n must be 1 when using greedy sampling, got 2.", "'temperature'"),
        ("Could not open video stream", "Send it whole"),
        ("Invalid structural tag specification.", "JSON schema"),
    ],
)
def test_a_refusal_that_helps_nobody_is_said_in_our_words(said, hint):
    """The next step is named, and the engine's libraries are not."""
    message = engine_error(400, json.dumps({"error": {"message": said}}).encode()).message
    assert hint in message
    assert said not in message


def test_what_the_engine_says_of_its_own_failure_stays_with_it():
    """An exception's words may hold anything; its log has them."""
    said = {"error": {"message": "Expected a cached item for mm_hash='f9', see /srv/lru.py"}}
    message = engine_error(500, json.dumps(said).encode()).message
    assert "500" in message
    assert not any(word in message for word in ("mm_hash", "/srv", "cached"))


def test_an_error_event_without_a_status_is_the_engines_fault():
    """Streams carry the status inside."""
    assert event_error(b'{"error":{"message":"m","code":"x"}}').status == 502
    assert event_error(b'{"error":{"message":"m","code":400}}').status == 400
