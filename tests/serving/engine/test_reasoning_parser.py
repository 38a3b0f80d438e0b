"""The reasoning parser, driven as vLLM's chat endpoint drives it, with whole and cut outputs."""

import json
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.later import Later

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed; enable: make test"
)
chat = Later("tests.serving.engine.vllm_chat")

FORCED = {"type": "function", "function": {"name": "f"}}


def call_text(arguments: Any, name: str = "f") -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


CALL = call_text({"city": "Paris"})
BARE = '<tool_call>\n{"name": "f"}\n</tool_call>'
TAGGED = "Use <tool_call> and </tool_call>."
CALLED = (("f", '{"city": "Paris"}'),)
every_way = pytest.mark.parametrize(
    "cuts",
    [
        pytest.param((), id="one delta"),
        pytest.param(range(500), id="token by token"),
        pytest.param(range(0, 500, 3), id="three tokens a delta"),
    ],
)


@every_way
@pytest.mark.parametrize(
    ("output", "tools", "expected"),
    [
        pytest.param("a red one.\n</think>\n\nRed.", None, ("a red one.\n", "Red."), id="normal"),
        pytest.param("a</think>Red.", None, ("a", "Red."), id="no blank line"),
        pytest.param("a</think>\n\n  x = 1", None, ("a", "  x = 1"), id="indented answer"),
        pytest.param("</think>\n\nRed.", None, ("", "Red."), id="empty thought"),
        pytest.param("a\n</think>\n\n", None, ("a\n", ""), id="blank answer"),
        pytest.param("", None, ("", ""), id="nothing"),
        pytest.param("it is r", None, ("it is r", ""), id="cut short"),
        pytest.param("is 2 < 3 </thi", None, ("is 2 < 3 </thi", ""), id="cut inside a tag"),
        pytest.param(
            "7 8</think>\n\n7 8 9.\n</think>\n\n9", None, ("7 8", "7 8 9.\n\n\n9"), id="second end"
        ),
        pytest.param("a</think>\n\n</think>\n\n9", None, ("a", "9"), id="second end at once"),
        pytest.param("a</think>9</think>", None, ("a", "9"), id="second end last"),
        pytest.param(
            f"{TAGGED}</think>\n\n{TAGGED}", "auto", (TAGGED, TAGGED), id="tags mentioned"
        ),
        pytest.param(f"{CALL}\n</think>\n\nNo.", "auto", (f"{CALL}\n", "No."), id="call mentioned"),
        pytest.param(f"So {CALL} or", "auto", (f"So {CALL} or", ""), id="mentioned, cut short"),
        pytest.param(CALL[:20], "auto", (CALL[:20], ""), id="cut call"),
        pytest.param(BARE, "auto", (BARE, ""), id="no arguments"),
        pytest.param(f"So\n{CALL}", None, (f"So\n{CALL}", ""), id="call in thought, no tools"),
        pytest.param(f"So\n{CALL}", "none", (f"So\n{CALL}", ""), id="call in thought, not allowed"),
        pytest.param(f"So\n{CALL}", "auto", ("So\n", "", *CALLED), id="call in thought"),
        pytest.param(f"{CALL}\n", "auto", ("", "", *CALLED), id="call instead of thought"),
        pytest.param(
            f"{TAGGED}{CALL}\n{CALL}", "auto", (TAGGED, "", *CALLED, *CALLED), id="two calls"
        ),
        pytest.param(f"So\n{CALL}", "required", ("So\n", "", *CALLED), id="required in thought"),
        pytest.param(f"So\n{CALL}", FORCED, ("So\n", "", *CALLED), id="named in thought"),
        pytest.param(f"So\n</think>\n\n{CALL}", "auto", ("So\n", "", *CALLED), id="auto"),
        pytest.param(f"So\n</think>{CALL}", "required", ("So\n", "", *CALLED), id="required"),
        pytest.param(f"So\n</think>{CALL}", FORCED, ("So\n", "", *CALLED), id="named"),
        pytest.param(
            f"a</think>No.{CALL * 2}", "auto", ("a", "No.", *CALLED, *CALLED), id="two after"
        ),
    ],
)
def test_output_is_told_apart(
    output: str, tools: Any, expected: tuple[Any, ...], cuts: Iterable[int]
) -> None:
    """Thought, answer and calls of every kind of output come out right, streamed or not."""
    ids = [*chat.ids_of(output), chat.END_OF_TURN]
    reasoning, content, *calls = expected
    reply = chat.Reply(reasoning, content, tuple(calls), len(chat.ids_of(reasoning)))
    assert chat.whole(ids, chat.ask(tools)) == reply
    assert chat.streamed(ids, cuts, chat.ask(tools)) == reply


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"chat_template_kwargs": {"enable_thinking": False}}, id="enable_thinking"),
        pytest.param({"reasoning_effort": "none"}, id="reasoning_effort"),
        pytest.param({"chat_template_kwargs": {"thinking": False}}, id="thinking"),
    ],
)
def test_parser_stays_on_whatever_the_request_asks(fields: dict[str, Any]) -> None:
    """No request makes a thought part of the answer."""
    ids = chat.ids_of("a red one.\n</think>\n\nRed.")
    expected = chat.Reply("a red one.\n", "Red.", (), len(chat.ids_of("a red one.\n")))
    assert chat.whole(ids, chat.ask(**fields)) == expected
    assert chat.streamed(ids, range(500), chat.ask(**fields)) == expected


def test_forced_end_text_counts_as_thought() -> None:
    """Reasoning tokens include the text forced by the budget, and the tag not."""
    thought = "1 2 3\n\nEnough. The answer:"
    assert chat.whole(chat.ids_of(thought + "</think>\n\n3"), chat.ask()).reasoning_tokens == len(
        chat.ids_of(thought)
    )


def test_cut_thought_counts_every_token() -> None:
    """A thought cut short by max_tokens has no other tokens, and its content is null."""
    ids = chat.ids_of("I see a red")
    parser = chat.parser_for(chat.ask())
    assert parser.parse(chat.text_of(ids), chat.ask())[:2] == ("I see a red", None)
    assert parser.count_reasoning_tokens(ids) == len(ids)


def test_delta_names_only_what_it_carries() -> None:
    """A streamed chunk never carries a null beside the text, so that scanning it stays simple."""
    said, _ = chat.deltas(chat.ids_of("a b\n</think>\n\nRed one."), range(500), chat.ask())
    assert said
    for delta in said:
        assert set(delta.model_dump(exclude_unset=True)) in ({"reasoning"}, {"content"})


@pytest.mark.parametrize(
    ("prompted", "text", "ended"),
    [
        pytest.param(True, "", False, id="open thought after a closed one"),
        pytest.param(True, "a </think> b", True, id="thought ended"),
        pytest.param(False, "no thought at all", False, id="no marks"),
    ],
)
def test_reasoning_end_is_judged_by_the_last_mark(prompted: bool, text: str, ended: bool) -> None:
    """The grammar waits for the end of the thought that the prompt opened, not of an older one."""
    ids = [*(chat.PROMPT if prompted else ()), *chat.ids_of(text)]
    assert chat.reasoner().is_reasoning_end(ids) is ended


def test_reasoning_end_of_a_step_is_judged_by_its_own_tokens() -> None:
    """A decode step ends the thought when `</think>` is among its tokens."""
    end = chat.ids_of("</think>")
    thought = [*chat.PROMPT, *chat.ids_of("a red one")]
    assert not chat.reasoner().is_reasoning_end_streaming(thought, thought[-2:])
    assert chat.reasoner().is_reasoning_end_streaming(thought + end, end)


def test_content_ids_begin_after_the_open_thought() -> None:
    """Content ids leave out the prompt's older answers and later end marks."""
    assert chat.reasoner().extract_content_ids(chat.PROMPT) == []
    assert chat.reasoner().extract_content_ids(chat.ids_of("a </think>")) == []
    output = chat.ids_of("a</think> b</think> c")
    assert chat.reasoner().extract_content_ids(output) == chat.ids_of(" b") + chat.ids_of(" c")
    assert chat.reasoner().extract_content_ids(chat.PROMPT + output) == chat.ids_of(
        " b"
    ) + chat.ids_of(" c")


def test_thinking_budget_knows_the_marks() -> None:
    """The engine learns from the parser what opens and what ends a thought."""
    assert chat.reasoner().reasoning_start_str == "<think>"
    assert chat.reasoner().reasoning_end_str == "</think>"


@pytest.mark.parametrize(
    "choice", [pytest.param("required", id="required"), pytest.param(FORCED, id="named")]
)
def test_forced_call_keeps_its_native_form(choice: Any) -> None:
    """The grammar of a forced call is the form with tags, by which its beginning is known."""
    request = chat.ask(choice)
    chat.parser_for(request)
    assert request.structured_outputs is not None
    assert "<tool_call>" in str(request.structured_outputs.structural_tag)


# Strings that together spell no mark by accident: a mark is always a token of its own.
WORDS = ("a", " red", "\n", "\n\n", "  ", "é", "🙂", "<", "</", "</thi", "<tool", "2 < 3", ".")
JSON_BITS = ("{", "}", '{"name": "f"', '{"name": "f", "arguments": {}}', ', "arguments": {"x": [1')
TAGS = ("<tool_call>", "</tool_call>")
thoughts = st.lists(st.sampled_from(WORDS + JSON_BITS + TAGS), max_size=12).map("".join)
answers = st.lists(st.sampled_from((*WORDS, "<tool_call> ", "</think>")), max_size=10).map("".join)
cuts_of = st.lists(st.integers(0, 120), max_size=30)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text(max_size=4), inner, max_size=2)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
argument_sets = objects(values)
lead = st.sampled_from(("", "\n", "\n\n", " \n\n"))


@given(thoughts, lead, st.tuples(st.sampled_from(("Red", "  x", "é<")), answers), cuts_of)
@pytest.mark.parametrize("tools", [pytest.param(None, id="no tools"), "auto"])
def test_any_chunking_of_a_finished_thought(
    tools: Any, thought: str, blank: str, said: tuple[str, str], cuts: list[int]
) -> None:
    """However it is cut, thought and answer are what stands on the two sides of the first end."""
    request, (first, rest) = chat.ask(tools), said
    ids = [*chat.ids_of(f"{thought}</think>{blank}{first}{rest}"), chat.END_OF_TURN]
    expected = chat.Reply(
        thought, first + rest.replace("</think>", ""), (), len(chat.ids_of(thought))
    )
    assert chat.whole(ids, request) == expected
    assert chat.streamed(ids, cuts, request) == expected


@given(thoughts, cuts_of)
def test_any_chunking_of_an_unfinished_thought(thought: str, cuts: list[int]) -> None:
    """A thought that neither ends nor ends in calls is thought to its last character."""
    thought += "."
    ids = chat.ids_of(thought)
    expected = chat.Reply(thought, "", (), len(ids))
    assert chat.whole(ids, chat.ask("auto")) == expected
    assert chat.streamed(ids, cuts, chat.ask("auto")) == expected


@given(thoughts, st.lists(argument_sets, min_size=1, max_size=2), st.booleans(), cuts_of)
def test_any_chunking_of_calls(
    thought: str, arguments: list[Any], ends: bool, cuts: list[int]
) -> None:
    """Calls at the end of the output are calls, whether the thought has ended or not."""
    thought += "."
    output = thought + ("\n</think>\n\n" if ends else "") + "\n".join(map(call_text, arguments))
    ids = [*chat.ids_of(output), chat.END_OF_TURN]
    thought += "\n" if ends else ""
    calls = tuple(("f", json.dumps(each, sort_keys=True)) for each in arguments)
    expected = chat.Reply(thought, "", calls, len(chat.ids_of(thought)))
    assert chat.whole(ids, chat.ask("auto")) == expected
    assert chat.streamed(ids, cuts, chat.ask("auto")) == expected
