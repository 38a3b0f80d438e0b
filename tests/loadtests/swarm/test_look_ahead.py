"""Bodies are ready before their time, each request comes once and in order."""

from itertools import count

import pytest

from loadtests.failure import LoadError
from loadtests.prompt import Prompt
from loadtests.swarm import look_ahead
from loadtests.swarm.look_ahead import LookAhead
from loadtests.swarm.orders import Part


def ahead(part=None, *, most=None, size=1):
    """Return a look-ahead over prompts that say their number, and what it has encoded."""
    encoded = []

    def encode(prompt):
        encoded.append(prompt.kind)
        return prompt.kind.encode() * size

    numbers = count() if most is None else range(most)
    return LookAhead((Prompt(str(n), (), 1) for n in numbers), part or Part(), encode), encoded


def test_what_was_filled_is_not_encoded_again():
    """A body that is ready is taken as it is."""
    requests, encoded = ahead()
    assert requests.fill()
    assert requests.fill()
    assert [requests.take(n).body for n in range(3)] == [b"0", b"1", b"2"]
    assert encoded == ["0", "1", "2"]


def test_a_part_holds_its_own_requests_alone():
    """The others' prompts are drawn and never encoded."""
    requests, encoded = ahead(Part(number=1, processes=3))
    while requests.fill():
        pass
    assert encoded[:3] == ["1", "4", "7"]
    assert [requests.take(n).number for n in (1, 4, 10)] == [1, 4, 10]


def test_it_is_bounded_in_number_and_in_bytes(monkeypatch):
    """Big bodies are few: the limit is passed by one at most."""
    monkeypatch.setattr(look_ahead, "MAX_BYTES", 1000)
    few, encoded = ahead(size=400)
    while few.fill():
        pass
    assert len(encoded) == 3
    few.take(0)
    assert few.fill()
    many, encoded = ahead()
    while many.fill():
        pass
    assert len(encoded) == look_ahead.MAX_REQUESTS


def test_what_is_not_sent_is_not_encoded():
    """Its number and prompt are known all the same."""
    requests, encoded = ahead()
    left_out = requests.take(5, encode=False)
    assert (left_out.number, left_out.prompt.kind, left_out.body) == (5, "5", b"")
    assert encoded == []


def test_prompts_that_end_are_an_error():
    """A scenario yields prompts without end."""
    requests, _ = ahead(most=2)
    with pytest.raises(LoadError, match="no more prompts"):
        requests.take(2)
