"""Stop texts against a reader that looks at one character after the other."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.assembly import Assembly
from serving.gateway.stop import StopTexts
from tests.fake_engine import delta_event, event

TEXTS = st.text(alphabet="abé🙂", max_size=12)
STOPS = st.lists(st.text(alphabet="abé🙂", min_size=1, max_size=4), min_size=1, max_size=3)


def cut_by_hand(text: str, stops: list[str], included: bool) -> tuple[str, str | None]:
    """Return the text up to the stop text that is complete first, and that stop text."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            stop = max(complete, key=len)
            return text[: end if included else end - len(stop)], stop
    return text, None


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Return a text cut anywhere, empty pieces too."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=len(text))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def counted_event(index: int, tokens: int, finish_reason: str | None = None, **delta: Any) -> bytes:
    """Write an event of one choice with the count up to here."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
    return event(choices=[choice], usage=usage)


@st.composite
def streams(draw: st.DrawFn, choices: int) -> tuple[list[str], list[str], list[list[bytes]]]:
    """Return each choice's thought and answer, and the events of each choice."""
    thoughts, answers, events = [], [], []
    for index in range(choices):
        thoughts.append(draw(TEXTS))
        answers.append(draw(TEXTS))
        said = [{"reasoning": piece} for piece in pieces(draw, thoughts[-1]) if piece]
        said += [{"content": piece} for piece in pieces(draw, answers[-1])]
        own = [counted_event(index, 0, role="assistant", content="")]
        own += [counted_event(index, at, **delta) for at, delta in enumerate(said, 1)]
        events.append([*own, counted_event(index, len(said), "length")])
    return thoughts, answers, events


def interleaved(draw: st.DrawFn, lanes: list[list[bytes]]) -> list[bytes]:
    """Mix the choices' events, each in its own order."""
    order = draw(st.permutations([at for at, lane in enumerate(lanes) for _ in lane]))
    queues = [iter(lane) for lane in lanes]
    return [next(queues[at]) for at in order]


def read(data: bytes) -> dict[int, dict[str, Any]]:
    """Put a stream's texts together."""
    said: dict[int, dict[str, Any]] = {}
    for line in data.split(b"\n\n"):
        if not line:
            continue
        [choice] = json.loads(line.removeprefix(b"data: "))["choices"]
        own = said.setdefault(choice["index"], {"reasoning": "", "content": "", "reason": None})
        for name in ("reasoning", "content"):
            own[name] += choice["delta"].get(name) or ""
        if choice["finish_reason"]:
            assert own["reason"] is None, "an answer ends once"
            own["reason"] = (choice["finish_reason"], choice.get("stop_reason"))
    return said


@given(st.data(), st.integers(1, 3), STOPS, st.booleans())
def test_every_answer_is_cut_at_the_first_stop_text(data, choices, stops, included):
    """However it was cut into events and blocks; thoughts stay whole, with stop texts in them."""
    thoughts, answers, lanes = data.draw(streams(choices))
    events = interleaved(data.draw, lanes)
    stop, shown = StopTexts(tuple(stops), choices, included=included), b""
    while events and not stop.cut:
        size = data.draw(st.integers(1, len(events)))
        shown += stop.feed(b"".join(events[:size]))
        events = events[size:]
    said = read(shown)
    expected = [cut_by_hand(answer, stops, included) for answer in answers]
    assert [said[at]["reasoning"] for at in range(choices)] == thoughts
    assert [said[at]["content"] for at in range(choices)] == [text for text, _ in expected]
    assert [said[at]["reason"] for at in range(choices)] == [
        ("stop", stop) if stop else ("length", None) for _, stop in expected
    ]
    assert stop.cut is any(stop for _, stop in expected)


@pytest.mark.parametrize("stops", [["ab"], ["aab", "b"], ["aba", "ab"], ["abab", "ba", "bb"]])
@pytest.mark.parametrize("size", [1, 2])
def test_short_texts_are_cut_as_by_hand(stops, size):
    """All texts of two letters, in pieces of one or two characters."""
    for letters in itertools.product("ab", repeat=6):
        text = "".join(letters)
        stop, shown = StopTexts(tuple(stops), 1, included=False), b""
        for at in range(0, len(text), size):
            shown += stop.feed(delta_event(content=text[at : at + size]))
        shown += stop.feed(delta_event("stop", content=""))
        assert read(shown)[0]["content"] == cut_by_hand(text, stops, False)[0]


@given(st.data(), st.integers(1, 3), STOPS)
def test_streamed_and_put_together_are_the_same(data, choices, stops):
    """The answer that is made whole is the one a reader of the stream puts together."""
    _, _, lanes = data.draw(streams(choices))
    events = interleaved(data.draw, lanes)
    streamed = StopTexts(tuple(stops), choices, included=False).feed(b"".join(events))
    assembly, stop = Assembly(), StopTexts(tuple(stops), choices, included=False)
    for each in events:
        assembly.feed(stop.feed(each))
    whole = {choice["index"]: choice for choice in json.loads(assembly.answer())["choices"]}
    for index, said in read(streamed).items():
        message = whole[index]["message"]
        assert (message["reasoning"] or "", message["content"]) == (
            said["reasoning"],
            said["content"],
        )
        assert (whole[index]["finish_reason"], whole[index]["stop_reason"]) == said["reason"]


def test_usage_is_that_of_all_choices_at_their_ends():
    """Each choice counts up to its own stop text, the prompt once."""
    stop = StopTexts(("X",), 2, included=False)
    stop.feed(counted_event(0, 1, content="a") + counted_event(1, 1, reasoning="t"))
    stop.feed(counted_event(0, 2, content="X"))
    assert not stop.cut
    stop.feed(counted_event(0, 3, content="b") + counted_event(1, 2, content="c"))
    stop.feed(counted_event(1, 4, "stop", content=""))
    assert stop.cut
    assert (stop.usage.prompt_tokens, stop.usage.output) == (7, 2 + 4)


def test_reasoning_tokens_are_counted_too():
    """What was thought by the time of the stop text is what was paid for."""
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    choice = {"index": 0, "delta": {"content": "aX"}, "finish_reason": None}
    stop = StopTexts(("X",), 1, included=False)
    stop.feed(event(choices=[choice], usage=usage))
    assert (stop.usage.reasoning, stop.usage.output) == (3, 5)


def test_an_answer_without_a_stop_text_is_not_cut():
    """Its end is the engine's, and so is its usage."""
    stop = StopTexts(("X",), 1, included=False)
    assert b'"content":"ab"' in stop.feed(delta_event(content="ab"))
    stop.feed(delta_event("stop", content=""))
    assert not stop.cut


def test_what_may_become_a_stop_text_waits_and_no_more():
    """Only the events that hold its possible beginning are held back."""
    stop = StopTexts(("END",), 1, included=False)
    assert stop.feed(delta_event(content="one ")) != b""
    assert stop.feed(delta_event(content="E")) == b""
    assert stop.feed(delta_event(content="N")) == b""
    assert read(stop.feed(delta_event(content="e")))[0]["content"] == "ENe"


@pytest.mark.parametrize("held", [False, True], ids=["free", "behind held text"])
def test_tool_calls_and_logprobs_pass(held):
    """What is no text is not lost and keeps its place."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    entry = {"token": "E", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "E" if held else "e"}, "finish_reason": None}
    first = event(choices=[{**choice, "logprobs": {"content": [entry]}}])
    stop = StopTexts(("END",), 1, included=False)
    shown = stop.feed(first + delta_event(tool_calls=[call]) + delta_event("tool_calls"))
    assert shown == first + delta_event(tool_calls=[call]) + delta_event("tool_calls")


def test_a_call_is_passed_on_as_it_comes():
    """Held text does not hold a call back, and no stop text reaches from before it to behind it."""
    stop = StopTexts(("END",), 1, included=False)
    call = [{"index": 0, "function": {"arguments": "{"}}]
    events = [delta_event(content="E"), delta_event(tool_calls=call), delta_event(content="ND")]
    assert [stop.feed(each) for each in events] == [b"", events[0] + events[1], events[2]]


def test_counts_of_single_events_are_taken_out():
    """They were asked for by the gateway, not by the client."""
    stop = StopTexts(("X",), 1, included=False)
    assert b"usage" not in stop.feed(counted_event(0, 1, content="a"))
