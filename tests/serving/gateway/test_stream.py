"""The scan over an event stream: any chunking equals one chunk, and nothing else is changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.errors import EngineFailed
from serving.gateway.stream import MAX_EVENT_BYTES, StreamScan
from tests.fake_engine import DONE, answer_events, delta_event, event, usage_event

TEXT = st.text(max_size=12) | st.sampled_from(
    ['"usage":{', "data: [DONE]\n\n", '","reasoning":"x', "\u2028", "\x85", "", '"', '{"error":']
)
EVENTS = st.one_of(
    TEXT.map(lambda text: delta_event(content=text)),
    TEXT.map(lambda text: delta_event(reasoning=text)),
    TEXT.map(lambda text: event(choices=[{"index": 0, "text": text, "finish_reason": None}])),
    st.sampled_from(
        [
            usage_event(),
            DONE,
            b": keep-alive\n\n",
            b'data: {"error":{"message":"oops","code":500}}\n\n',
            delta_event("length", content=""),
            delta_event(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{"}}]),
        ]
    ),
    st.text('\nda: {}"', max_size=8).map(str.encode),  # what no engine should send
)


def fed(chunks: list[bytes], show_usage: bool) -> tuple[bytes, object]:
    """Return everything passed on and everything seen."""
    scan = StreamScan(show_usage=show_usage)
    return b"".join(scan.feed(chunk) for chunk in chunks), scan.seen


@given(st.lists(EVENTS, max_size=8), st.lists(st.integers(0, 2000)), st.booleans())
def test_any_chunking_equals_one_chunk(events, cuts, show_usage):
    """Where a stream is cut changes neither what is passed on nor what is seen."""
    data = b"".join(events)
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    chunks = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert fed(chunks, show_usage) == fed([data], show_usage)


@given(st.lists(TEXT, max_size=6), st.lists(TEXT, max_size=6))
def test_first_tokens_are_what_a_json_reader_finds(thoughts, answers):
    """Byte search agrees with decoding, whatever the text."""
    events = [delta_event(role="assistant", content="")]
    events += [delta_event(reasoning=text) for text in thoughts]
    events += [delta_event(content=text) for text in answers]
    data, seen = fed([*events, DONE], True)
    decoded = [json.loads(part[6:]) for part in data.split(b"\n\n")[:-2]]
    deltas = [chunk["choices"][0]["delta"] for chunk in decoded]
    assert seen.reasoning == any(delta.get("reasoning") for delta in deltas)
    assert seen.answer == any(delta.get("content") for delta in deltas)
    assert seen.events == len(events) + 1
    assert seen.ended


def test_usage_is_read_and_taken_out_unless_shown():
    """The counts are known either way; the event is passed on only when asked for."""
    events = answer_events()
    hidden, seen = fed([b"".join(events)], False)
    shown, seen_too = fed(events, True)
    assert shown == b"".join(events)
    assert hidden == shown.replace(usage_event(), b"")
    expected = {"prompt": 11, "completion": 5, "reasoning": 3, "cached": 0}
    assert seen.usage.by_kind() == seen_too.usage.by_kind() == expected
    assert seen.finish_reason == "stop"


def test_nothing_follows_an_error_event():
    """The error is kept for the caller; it and what follows are not passed on."""
    error = b'data: {"error":{"message":"oops","code":500}}\n\n'
    data, seen = fed([delta_event(content="a") + error + DONE, DONE], True)
    assert data == delta_event(content="a")
    assert json.loads(seen.error)["error"]["message"] == "oops"
    assert not seen.ended


def test_tool_calls_count_as_the_answer():
    """A call is an answer that a client can act on."""
    _, seen = fed([delta_event(tool_calls=[{"index": 0, "id": "c"}])], True)
    assert (seen.answer, seen.reasoning) == (True, False)


def test_an_event_without_an_end_is_given_up():
    """Memory is bounded."""
    scan = StreamScan(show_usage=True)
    with pytest.raises(EngineFailed):
        for _ in range(MAX_EVENT_BYTES // 2**16 + 2):
            scan.feed(b"x" * 2**16)
