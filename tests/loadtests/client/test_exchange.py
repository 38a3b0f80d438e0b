"""What an exchange makes of events."""

import json

import msgspec
import pytest

from loadtests.client.exchange import MAX_KEPT_CHARACTERS, Event, Exchange


def event(**delta):
    """Return one event with this delta, decoded as the client decodes it."""
    value = {"model": "m", "choices": [{"index": 0, "delta": delta}], "usage": None}
    return msgspec.json.decode(json.dumps(value), type=Event)


def shown(*deltas):
    """Return an exchange that saw these deltas, one a second from second 1 on."""
    exchange = Exchange()
    for second, delta in enumerate(deltas, start=1):
        exchange.observe(event(**delta), float(second))
    return exchange


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_a_thought_has_two_names(name):
    """Both are tokens, and neither is an answer; with both at once it is one event."""
    exchange = shown({name: "hm"}, {"content": "19"})
    assert (exchange.first_token, exchange.first_reasoning, exchange.first_answer) == (1, 1, 2)
    assert shown({"reasoning": "a", "reasoning_content": "a"}).fragments == 1


@pytest.mark.parametrize("delta", [{}, {"role": "assistant", "content": ""}, {"tool_calls": []}])
def test_an_event_without_text_is_no_token(delta):
    """A role alone says nothing."""
    exchange = shown(delta)
    assert (exchange.first_token, exchange.last_token, exchange.fragments) == (None, None, 0)


def test_white_space_is_a_token_and_no_answer():
    """The blank line behind a thought does not count as the first answer token."""
    exchange = shown({"content": "\n\n"}, {"content": "19"})
    assert (exchange.first_token, exchange.first_answer) == (1, 2)
    assert exchange.answer == "\n\n19"


def test_gaps_give_every_events_time_again():
    """First token and the sum of gaps is each event's time, to the microsecond, without drift."""
    exchange, times = Exchange(), [1000 + k / 30_000.7 for k in range(5000)]
    for now in times:
        exchange.observe(event(content="a"), now)
    assert len(exchange.gaps_us) == len(times) - 1
    total = int(times[0] * 1e6)
    for now, gap in zip(times[1:], exchange.gaps_us, strict=True):
        total += gap
        assert abs(total - now * 1e6) <= 1


def test_tool_calls_are_put_together():
    """Pieces are joined by their index, whatever their order."""
    first = {"index": 0, "id": "a", "function": {"name": "look", "arguments": '{"x"'}}
    other = {"index": 1, "id": "b", "function": {"name": "go", "arguments": "{}"}}
    exchange = shown(
        {"tool_calls": [first]},
        {"tool_calls": [other, {"index": 0, "function": {"arguments": ": 1}"}}]},
    )
    assert json.loads(exchange.tool_calls) == [
        {"id": "a", "name": "look", "arguments": '{"x": 1}'},
        {"id": "b", "name": "go", "arguments": "{}"},
    ]
    assert exchange.first_answer == 1


def test_what_is_kept_of_an_answer_is_bounded():
    """An endless answer is timed to its end and does not fill the memory."""
    text, repeats = "x" * 65536, 2 * MAX_KEPT_CHARACTERS // 65536
    call = {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    for delta in ({"content": text}, call):
        exchange = shown(*[delta] * repeats)
        assert exchange.fragments == repeats
        assert len(exchange.answer) + len(exchange.tool_calls) <= MAX_KEPT_CHARACTERS + 100
    many = [{"index": n, "id": "x"} for n in range(1000)]
    assert len(json.loads(shown({"tool_calls": many}).tool_calls)) <= 128
