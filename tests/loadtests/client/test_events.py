"""The event decoder: any chunking, one result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.client.events import MAX_EVENT_BYTES, EventDecoder, EventTooLarge

LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"data:  two", b"data:", b": ping", b"event: a", b"id: 1", b"", b"dat"]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=30)


def payloads_of(lines):
    """Read the events from whole lines, as the standard describes them."""
    payloads, data = [], []
    for line in lines:
        if line == b"":
            payloads += [b"\n".join(data)] if data else []
            data = []
        if line[:5] == b"data:":
            data.append(line[6:] if line[5:6] == b" " else line[5:])
    return payloads


@given(STREAMS, st.data())
def test_any_chunking_gives_the_same_events(lines, data):
    """Where the network cuts the stream changes nothing."""
    stream = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    decoder = EventDecoder()
    decoded = [payload for chunk in chunks for payload in decoder.feed(chunk)]
    assert decoded == payloads_of([line for line, _ in lines])


def test_a_chunk_that_looks_whole_may_end_an_event():
    """Lines that came before belong to the same event."""
    decoder = EventDecoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"data: two\n\n") == [b"one\ntwo"]
    assert decoder.feed(b"dat") == []
    assert decoder.feed(b"data: two\n\n") == []


@pytest.mark.parametrize(
    "piece",
    [pytest.param(b"data: " + b"x" * 65536, id="one line"), pytest.param(b"data: x\n", id="lines")],
)
def test_an_endless_event_is_refused(piece):
    """An event that never ends does not fill the memory."""
    decoder = EventDecoder()
    with pytest.raises(EventTooLarge):
        for _ in range(2 * MAX_EVENT_BYTES // len(piece)):
            decoder.feed(piece)
