"""Plain completions in both dialects: the engine's text under our id, with our usage."""

import json
from typing import Any

import pytest

from serving.gateway.answer import CompletionDetails, Usage
from serving.gateway.api.completion_view import CompletionView
from serving.gateway.dialect import DIALECTS, OPENAI, OPENROUTER, Dialect
from serving.gateway.errors import EngineTimeout
from serving.gateway.view import Asked

USAGE = Usage(
    prompt_tokens=3,
    completion_tokens=2,
    completion_tokens_details=CompletionDetails(reasoning_tokens=0),
    prompt_cost=0.5,
    completion_cost=0.25,
)
CHOICE = {
    "index": 0,
    "text": ' upon "id":"cmpl-req_7" a time',
    "logprobs": {"tokens": [" upon"], "token_logprobs": [-0.5], "top_logprobs": [{"id": -0.5}]},
    "finish_reason": "length",
    "stop_reason": None,
    "prompt_logprobs": None,
}


def view(dialect: Dialect, *, show_usage: bool = True) -> CompletionView:
    """Return a view of a request with a known id."""
    return CompletionView(Asked("req_7", "m", 5), dialect, show_usage=show_usage)


def whole(dialect: Dialect, **change: Any) -> dict[str, Any]:
    """Return what becomes of the engine's answer."""
    answer = {"id": "cmpl-req_7", "choices": [CHOICE | change], "kv_transfer_params": None}
    shown: dict[str, Any] = json.loads(view(dialect).whole(json.dumps(answer).encode(), USAGE))
    return shown


@pytest.mark.parametrize(
    ("dialect", "own_id"), [(OPENAI, "cmpl-7"), (OPENROUTER, "gen-7")], ids=["v1", "api/v1"]
)
def test_a_whole_answer_keeps_text_and_logprobs(dialect, own_id):
    """Its head is ours, its choice the engine's."""
    shown = whole(dialect)
    [choice] = shown["choices"]
    assert choice == {name: CHOICE[name] for name in choice}
    assert choice.keys() == {"index", "text", "logprobs", "finish_reason", "stop_reason"}
    assert {name: shown[name] for name in ("id", "object", "created", "model")} == {
        "id": own_id, "object": "text_completion", "created": 5, "model": "m",
    }  # fmt: skip
    assert ("cost" in shown["usage"]) is (dialect is OPENROUTER)
    assert shown["usage"]["total_tokens"] == 5


def test_what_vllm_adds_is_shown_where_there_is_some():
    """The stop text that was met, and the tokens' ids that were asked for."""
    [choice] = whole(OPENAI, stop_reason="X", token_ids=[5, 6])["choices"]
    assert (choice["stop_reason"], choice["token_ids"]) == ("X", [5, 6])


@pytest.mark.parametrize(("reason", "shown"), [("abort", "error"), ("repetition", "stop")])
def test_reasons_that_no_client_knows_are_translated(reason, shown):
    """Whole and streamed alike."""
    [choice] = whole(OPENAI, finish_reason=reason)["choices"]
    event = view(OPENAI).events(b'data: {"choices":[{"finish_reason":"%s"}]}\n\n' % reason.encode())
    assert choice["finish_reason"] == shown
    assert b'"finish_reason":"%s"' % shown.encode() in event


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.base)
def test_events_change_their_id_alone(dialect):
    """A text that looks like an id is none."""
    event = b'data: {"id":"cmpl-req_7","choices":[%s]}\n\n' % json.dumps(CHOICE).encode()
    shown = view(dialect).events(event)
    assert shown == event.replace(b'{"id":"cmpl-req_7"', b'{"id":"%s"' % view(dialect).id.encode())
    assert json.loads(shown.removeprefix(b"data: "))["choices"] == [CHOICE]


@pytest.mark.parametrize(("shown", "usage"), [(True, USAGE), (False, USAGE), (True, None)])
def test_the_end_of_a_stream(shown, usage):
    """Usage where it is known and due, then the end mark."""
    *events, end, _ = view(OPENAI, show_usage=shown).end(usage).split(b"\n\n")
    assert end == b"data: [DONE]"
    assert len(events) == bool(shown and usage)
    for event in events:
        decoded = json.loads(event.removeprefix(b"data: "))
        assert (decoded["choices"], decoded["usage"]["prompt_tokens"]) == ([], 3)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.base)
def test_a_broken_stream_ends_with_the_dialects_error(dialect):
    """One event with the error object."""
    event = view(dialect).error(EngineTimeout("Silence."))
    error = json.loads(event.removeprefix(b"data: "))["error"]
    assert event.endswith(b"\n\n")
    assert (error["message"], error["code"]) == (
        "Silence.",
        504 if dialect is OPENROUTER else "engine_timeout",
    )
