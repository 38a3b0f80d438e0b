"""The whole answer put together from the engine's stream, as the engine would have given it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.assembly import Assembly
from tests.fake_engine import answer_events, delta_event, event

TEXTS = st.lists(st.text(max_size=6), max_size=5)


def assembled(*blocks: bytes) -> list[dict[str, Any]]:
    """Return the choices of the answer."""
    assembly = Assembly()
    for block in blocks:
        assembly.feed(block)
    choices: list[dict[str, Any]] = json.loads(assembly.answer())["choices"]
    return choices


def choice_event(index: int, **fields: Any) -> bytes:
    """Write an event of a choice."""
    return event(choices=[{"index": index, "delta": {}, "finish_reason": None} | fields])


@given(TEXTS, TEXTS, st.booleans())
def test_pieces_become_the_whole_text(thoughts, answers, at_once):
    """Every character arrives, in order, in the field that it came in."""
    events = [delta_event(reasoning=text) for text in thoughts]
    events += [delta_event(content=text) for text in answers]
    events.append(delta_event("length", content=""))
    [choice] = assembled(b"".join(events)) if at_once else assembled(*events)
    assert choice["message"]["reasoning"] == ("".join(thoughts) or None)
    assert choice["message"]["content"] == "".join(answers)
    assert choice["finish_reason"] == "length"


def test_choices_are_kept_apart_and_in_order():
    """Events of several answers come mixed."""
    choices = assembled(
        choice_event(1, delta={"content": "b"}),
        choice_event(0, delta={"content": "a"}),
        choice_event(1, delta={"content": "b"}, finish_reason="stop", stop_reason="X"),
        choice_event(0, finish_reason="length"),
    )
    assert [each["message"]["content"] for each in choices] == ["a", "bb"]
    assert [each["index"] for each in choices] == [0, 1]
    assert [each["finish_reason"] for each in choices] == ["length", "stop"]
    assert [each["stop_reason"] for each in choices] == [None, "X"]


def test_calls_are_put_together_by_their_index():
    """Name and arguments come in pieces, a second call after the first."""
    [choice] = assembled(
        delta_event(
            tool_calls=[
                {"index": 0, "id": "c0", "type": "function", "function": {"name": "get_weather"}}
            ]
        ),
        delta_event(tool_calls=[{"index": 0, "function": {"arguments": '{"city":'}}]),
        delta_event(tool_calls=[{"index": 0, "function": {"arguments": '"Bonn"}'}}]),
        delta_event(
            tool_calls=[{"index": 1, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]
        ),
        delta_event("tool_calls"),
    )
    calls = choice["message"]["tool_calls"]
    assert [(each["id"], each["function"]) for each in calls] == [
        ("c0", {"name": "get_weather", "arguments": '{"city":"Bonn"}'}),
        ("c1", {"name": "f", "arguments": "{}"}),
    ]
    assert choice["message"]["content"] is None


def test_logprobs_and_token_ids_are_joined():
    """All tokens' entries, in order; events without any change nothing."""
    entries = [{"token": letter, "logprob": -1.0} for letter in "abc"]
    [choice] = assembled(
        choice_event(0, logprobs={"content": entries[:1]}, token_ids=[5]),
        choice_event(0, logprobs=None),
        choice_event(0, logprobs={"content": entries[1:]}, token_ids=[6, 7]),
        choice_event(0, logprobs={"content": None}, token_ids=None),
    )
    assert choice["logprobs"]["content"] == entries
    assert choice["token_ids"] == [5, 6, 7]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_usual_stream_becomes_a_usual_answer(size):
    """The fake engine's own two forms of one answer agree."""
    events = answer_events()[:-2]
    blocks = [b"".join(events[at : at + size]) for at in range(0, len(events), size)]
    [choice] = assembled(*blocks)
    assert choice["message"]["reasoning"] == "hm"
    assert choice["message"]["content"] == "red"
    assert choice["finish_reason"] == "stop"
