"""Filler is seeded English of the size asked for, without what questions ask about."""

import random
import re

import pytest

from loadtests.workloads.prose import Prose
from loadtests.workloads.scenes import COLOURS
from loadtests.workloads.tools import CITIES

LONGEST_SENTENCE = 120


@pytest.mark.parametrize("tokens", [1, 16, 582, 4096, 60_000])
def test_text_is_as_long_as_asked(tokens):
    """Four bytes a token, up to the end of the sentence."""
    text = Prose(random.Random(1)).write(tokens)
    assert 0 <= len(text.encode()) - 4 * tokens <= LONGEST_SENTENCE
    assert text.endswith(".")


def test_the_same_seed_writes_the_same_and_goes_on_with_something_else():
    """No two texts of a generator are equal, so that no cache knows the next one."""
    first, second = Prose(random.Random(3)), Prose(random.Random(3))
    texts = [first.write(100) for _ in range(200)]
    assert texts == [second.write(100) for _ in range(200)]
    assert len(set(texts)) == len(texts)
    assert texts[0] != Prose(random.Random(4)).write(100)


def test_nothing_in_it_could_be_an_answer():
    """No digits, no colour, no city."""
    text = Prose(random.Random(5)).write(100_000)
    words = set(re.findall(r"\w+", text.lower()))
    assert not re.search(r"\d", text)
    assert not words & {*COLOURS, *(city.lower() for city in CITIES)}
