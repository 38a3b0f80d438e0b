"""The scan over an event stream: any chunking equals one chunk, and nothing else is changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.errors import EngineFailed
from serving.gateway.stream import MAX_EVENT_BYTES, Seen, StreamScan
from tests.fake_engine import DONE, KEEP_ALIVE, answer_events, delta_event, event, usage_event

ERROR = b'data: {"error":{"message":"oops","code":500}}\n\n'
TEXT = st.text(max_size=12) | st.sampled_from(
    [
        '"usage":{',
        "data: [DONE]\n\n",
        '","reasoning":"x',
        ": keep-alive\n\n",
        '"choices":[]',
        "\u2028",
        "\x85",
        "",
        '"',
        '{"error":',
    ]
)
PASSED = st.one_of(
    TEXT.map(lambda text: delta_event(content=text)),
    TEXT.map(lambda text: delta_event(reasoning=text)),
    TEXT.map(lambda text: event(choices=[{"index": 0, "text": text, "finish_reason": None}])),
    st.sampled_from(
        [
            delta_event("length", content=""),
            delta_event(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{"}}]),
            event(choices=[{"index": 0, "delta": {"content": "a"}}], usage={"prompt_tokens": 1}),
        ]
    ),
)
TAKEN_OUT = st.sampled_from([usage_event(), KEEP_ALIVE])
# What no engine should send.
GARBAGE = st.text('da: {}"', min_size=1, max_size=8).map(lambda text: text.encode() + b"\n\n")
LAST = st.sampled_from([DONE, ERROR, ERROR + DONE, b""])


def fed(chunks: list[bytes]) -> tuple[bytes, Seen]:
    """Return everything passed on and everything seen."""
    scan = StreamScan()
    return b"".join(scan.feed(chunk) for chunk in chunks), scan.seen


def chunks_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream at the given places."""
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(
    st.lists(PASSED | TAKEN_OUT | GARBAGE | LAST, max_size=8), st.lists(st.integers(0, 2000))
)  # fmt: skip
def test_any_chunking_equals_one_chunk(events, cuts):
    """Where a stream is cut changes neither what is passed on nor what is seen."""
    data = b"".join(events)
    assert fed(chunks_of(data, cuts)) == fed([data])


@given(
    st.lists(PASSED | TAKEN_OUT, max_size=8), LAST, st.lists(PASSED, max_size=2),
    st.lists(st.integers(0, 2000)),
)  # fmt: skip
def test_all_but_comments_usage_and_the_end_passes_unchanged(events, last, late, cuts):
    """The rest keeps its bytes and its order, and nothing follows the end or an error."""
    kept = [each for each in events if each not in (usage_event(), KEEP_ALIVE)]
    data, seen = fed(chunks_of(b"".join([*events, last, *late]), cuts))
    assert data == b"".join(kept if last else kept + late)
    assert (seen.usage is not None) == (usage_event() in events)
    assert seen.ended is (last == DONE)
    assert (seen.error is not None) is last.startswith(ERROR)


@given(st.lists(TEXT, max_size=6), st.lists(TEXT, max_size=6))
def test_first_tokens_are_what_a_json_reader_finds(thoughts, answers):
    """Byte search agrees with decoding, whatever the text."""
    events = [delta_event(role="assistant", content="")]
    events += [delta_event(reasoning=text) for text in thoughts]
    events += [delta_event(content=text) for text in answers]
    data, seen = fed([*events, DONE])
    decoded = [json.loads(part[6:]) for part in data.split(b"\n\n")[:-1]]
    deltas: list[dict[str, Any]] = [chunk["choices"][0]["delta"] for chunk in decoded]
    assert seen.reasoning == any(delta.get("reasoning") for delta in deltas)
    assert seen.answer == any(delta.get("content") for delta in deltas)
    assert seen.events == len(events)
    assert seen.ended


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_usage_is_read(size):
    """The counts are known; how they are shown is each dialect's own."""
    data = b"".join(answer_events())
    passed, seen = fed([data[at : at + size] for at in range(0, len(data), size)])
    assert passed == data.replace(usage_event(), b"").replace(DONE, b"")
    usage = seen.usage
    assert (usage.prompt_tokens, usage.output, usage.reasoning, usage.cached) == (11, 5, 3, 0)
    assert usage.times is None
    assert seen.finish_reason == "stop"


def test_the_engines_own_times_are_read():
    """They stand beside the usage, in ms."""
    times = b'"metrics":{"time_to_first_token_ms":20.5,"queue_time_ms":3.0,"mean_itl_ms":1.0}}'
    usage = fed([usage_event().replace(b"}\n\n", b"," + times + b"\n\n"), DONE])[1].usage
    assert usage.prompt_tokens == 11
    assert usage.times.queue_time_ms == 3.0
    assert usage.times.time_to_first_token_ms == 20.5
    assert usage.times.generation_time_ms is None


def test_media_and_cached_tokens_are_read():
    """The engine says what of the prompt were pictures, and what it had at hand."""
    details = {"cached_tokens": 4, "multimodal_tokens": {"image": 256, "video": 9}}
    usage = {"prompt_tokens": 300, "completion_tokens": 1, "prompt_tokens_details": details}
    _, seen = fed([event(choices=[], usage=usage)])
    assert (seen.usage.cached, seen.usage.media("image"), seen.usage.media("video")) == (4, 256, 9)


def test_an_unreadable_usage_is_none():
    """The stream goes on; nothing is counted that was not said."""
    data, seen = fed([event(choices=[], usage={"prompt_tokens": "many"}), DONE])
    assert (data, seen.usage, seen.ended) == (b"", None, True)


def test_nothing_follows_an_error_event():
    """The error is kept for the caller; it and what follows are not passed on."""
    data, seen = fed([delta_event(content="a") + ERROR + DONE, DONE])
    assert data == delta_event(content="a")
    assert json.loads(seen.error)["error"]["message"] == "oops"
    assert not seen.ended


def test_tool_calls_count_as_the_answer():
    """A call is an answer that a client can act on."""
    _, seen = fed([delta_event(tool_calls=[{"index": 0, "id": "c"}])])
    assert (seen.answer, seen.reasoning) == (True, False)


def test_an_event_without_an_end_is_given_up():
    """Memory is bounded."""
    scan = StreamScan()
    with pytest.raises(EngineFailed):
        for _ in range(MAX_EVENT_BYTES // 2**16 + 2):
            scan.feed(b"x" * 2**16)
