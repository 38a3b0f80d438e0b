"""Right answers are told from wrong ones."""

import json

import pytest

from loadtests.workloads.answers import Calls, Equals, Says

CALL = {"name": "get_weather", "arguments": json.dumps({"city": "Oslo"})}


@pytest.mark.parametrize(
    ("words", "answer", "expected"),
    [
        pytest.param(("19",), "19", True, id="bare"),
        pytest.param(("19",), "12 + 7 = **19**.", True, id="in a sentence"),
        pytest.param(("19",), "119", False, id="part of a number"),
        pytest.param(("1234", "1,234"), "It is 1,234.", True, id="commas"),
        pytest.param(("3", "three"), "There are Three shapes.", True, id="word"),
        pytest.param(("square",), "Squares", True, id="plural"),
        pytest.param(("red",), "It is hundred.", False, id="part of a word"),
        pytest.param(("red",), "", False, id="empty"),
        pytest.param(("C++", "a.b"), "C++", True, id="no pattern"),
    ],
)
def test_words_are_found(words, answer, expected):
    """A right word counts alone or in a sentence, never inside another word."""
    assert Says(words)(answer, "[]") is expected


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param([CALL], True, id="function alone"),
        pytest.param([{"id": "1", "type": "function", "function": CALL}], True, id="OpenAI's"),
        pytest.param([{**CALL, "arguments": '{ "city":"Oslo" }'}], True, id="spaces"),
        pytest.param([{**CALL, "arguments": '{"city": "Rome"}'}], False, id="other argument"),
        pytest.param([{**CALL, "arguments": "{"}], False, id="cut arguments"),
        pytest.param([{**CALL, "name": "get_time"}], False, id="other function"),
        pytest.param([CALL, CALL], False, id="twice"),
        pytest.param([], False, id="none"),
    ],
)
def test_calls_are_compared_by_value(calls, expected):
    """One call, with the right name and arguments."""
    assert Calls("get_weather", {"city": "Oslo"})("", json.dumps(calls)) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param('{"count": 2, "kind": "circle"}', True, id="other order"),
        pytest.param('{"kind": "circle", "count": 3}', False, id="other value"),
        pytest.param('{"kind": "circle"', False, id="cut off"),
        pytest.param("", False, id="empty"),
    ],
)
def test_json_is_compared_by_value(answer, expected):
    """Only the value counts."""
    assert Equals({"kind": "circle", "count": 2})(answer, "[]") is expected


def test_an_answer_of_arrays_without_end_is_wrong():
    """It is one answer among others, and ends no run."""
    assert not Equals(["x"])("[" * 100_000, "")
