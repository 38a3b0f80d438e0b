"""Requests of one's own are read, and every bad line is named with its number and field."""

import json
import random
import re
from itertools import islice

import pytest

from loadtests.failure import LoadError
from loadtests.prompt import Pictures
from loadtests.scenario import Served
from loadtests.workloads.jsonl import Lines

ASK = {"messages": [{"role": "user", "content": "What is 12 + 7?"}]}
LOOK = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "What is it?"},
            ],
        }
    ]
}


@pytest.fixture
def lines(tmp_path):
    """Return what reads a file of these lines."""

    def read(*texts):
        path = tmp_path / "own.jsonl"
        path.write_text("".join(f"{text}\n" for text in texts))
        return Lines(path)

    return read


def drawn(read, count, served=None):
    """Return the first prompts."""
    return list(islice(read.prompts(random.Random(1), served or Served("m", "m")), count))


def test_lines_are_asked_in_order_again_and_again(lines):
    """With everything that they hold; a picture counts as repeated after the first round."""
    full = {
        **ASK,
        "max_tokens": 50,
        "kind": "sum",
        "answer": ["19", "nineteen"],
        "parameters": {"temperature": 0.5},
    }
    read = lines(json.dumps(full), "", json.dumps(LOOK))
    first, look, again, look_again = drawn(read, 4)
    assert read.rows == ("sum", "jsonl")
    assert first == again
    assert (first.kind, first.max_tokens, first.parameters) == ("sum", 50, {"temperature": 0.5})
    assert first.messages == tuple(ASK["messages"])
    assert first.right("It is nineteen.", "[]")
    assert not first.right("18", "[]")
    assert (look.right, look.max_tokens, look.picture_count) == (None, 4096, 1)
    assert [look.pictures, look_again.pictures] == [Pictures.COLD, Pictures.REPEATED]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("{", "line 2: not a JSON object", id="cut off"),
        pytest.param("[]", "line 2: Expected `object`, got `array`", id="no object"),
        pytest.param("{}", "line 2: Object missing required field `messages`", id="no messages"),
        pytest.param('{"messages": []}', "line 2: .* - at `$.messages`", id="empty messages"),
        pytest.param(
            '{"messages": [{"content": "x"}]}',
            "line 2: Object missing required field `role` - at `$[0]`",
            id="no role",
        ),
        pytest.param(
            '{"messages": [{"role": "usr", "content": "x"}]}',
            "line 2: Invalid enum value 'usr'",
            id="unknown role",
        ),
        pytest.param(
            json.dumps({**ASK, "max_tokens": "many"}),
            "line 2: Expected `int`, got `str` - at `$.max_tokens`",
            id="wrong type",
        ),
        pytest.param(json.dumps({**ASK, "answer": ""}), "line 2: .*answer", id="empty answer"),
        pytest.param(json.dumps({**ASK, "answer": []}), "line 2: .*answer", id="no answers"),
        pytest.param(json.dumps({**ASK, "answer": [""]}), "line 2: .*answer", id="an empty one"),
        pytest.param(
            json.dumps({**ASK, "max_token": 5}),
            "line 2: there is no field `max_token`; the nearest is `max_tokens`",
            id="unknown field",
        ),
        pytest.param(
            json.dumps({**ASK, "parameters": {"stream": False}}),
            "line 2: `parameters.stream` is set by the load test",
            id="our own field",
        ),
    ],
)
def test_bad_lines_are_named(lines, line, said):
    """Number and field; nothing is asked."""
    with pytest.raises(LoadError) as failure:
        lines(json.dumps(ASK), line)
    assert re.search(said.replace("$", r"\$").replace("[0]", r"\[0\]"), str(failure.value))


def test_a_file_without_requests_or_without_itself_is_an_error(lines, tmp_path):
    """The message names the file."""
    with pytest.raises(LoadError, match=r"own.jsonl holds no request"):
        lines("", "  ")
    with pytest.raises(LoadError, match=r"gone.jsonl cannot be read: No such file"):
        Lines(tmp_path / "gone.jsonl")


def test_what_does_not_fit_is_left_out(lines):
    """Text at four bytes a token, and its max_tokens; where nothing fits, that is an error."""
    small, large = {**ASK, "max_tokens": 100}, {**ASK, "max_tokens": 2000}
    read = lines(json.dumps(small), json.dumps(large))
    assert {p.max_tokens for p in drawn(read, 4, Served("m", "m", 1000))} == {100}
    with pytest.raises(LoadError, match="fits the context of m, 50 tokens"):
        drawn(read, 1, Served("m", "m", 50))


def test_only_text_is_counted(lines):
    """A picture's bytes say nothing of its tokens; a long text does, in a part or alone."""
    part = {"type": "text", "text": "word " * 2000}
    media = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64," + "A" * 10_000}}
    asked = [
        {"max_tokens": 100, "messages": [{"role": "user", "content": content}], "kind": kind}
        for kind, content in (("media", [media]), ("part", [part]), ("alone", part["text"]))
    ]
    read = lines(*map(json.dumps, asked))
    assert {p.kind for p in drawn(read, 6, Served("m", "m", 1000))} == {"media"}
