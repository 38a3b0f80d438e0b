"""The splitter inside the reasoning parser: when text flows on, and that all cuts are alike."""

from importlib.util import find_spec
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.later import Later

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed; enable: make test"
)
chat = Later("tests.serving.engine.vllm_chat")

CALL = '<tool_call>\n{"name": "f", "arguments": {"city": "Paris"}}\n</tool_call>'
PIECES = (
    "a", " red", "\n\n", "  ", "é", "<", "</", "<tool", "{", "}", '{"name": "f"', "</think>",
    "<tool_call>", "</tool_call>", '{"name": "f", "arguments": {}}', CALL,
)  # fmt: skip


def test_call_mentioned_in_thought_flows_on_at_once() -> None:
    """What cannot become a call is not held back until the thought ends."""
    splitter = chat.reasoning_parser.Splitter()
    assert splitter.feed("Use <tool_call> ").thought == "Use "
    assert splitter.feed("to").thought == "<tool_call> to"
    assert splitter.feed(' or <tool_call>{"name": .').thought == ' or <tool_call>{"name": .'
    unclosed = CALL.removesuffix("</tool_call>")
    assert splitter.feed(f" or {unclosed}</tool").thought == " or "
    assert splitter.feed("s").thought == f"{unclosed}</tools"
    assert splitter.feed(f" or {CALL}").thought == " or "
    assert splitter.feed("\nNo").thought == f"{CALL}\nNo"


def test_tool_parser_takes_over_at_the_call() -> None:
    """Arguments of a call in the answer stream as they come."""
    splitter = chat.reasoning_parser.Splitter()
    assert splitter.feed("</think>\n\nSo <tool_call>\n").answer == "So "
    assert splitter.phase is chat.reasoning_parser.Phase.ANSWER
    assert splitter.feed("{").answer == "<tool_call>\n{"
    assert splitter.phase is chat.reasoning_parser.Phase.CALLS


@given(
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.lists(st.integers(0, 400), max_size=30),
    st.booleans(),
)
def test_any_chunking_of_anything(pieces: list[str], cuts: list[int], tools: bool) -> None:
    """The splitter's sums depend on the text alone, wherever it is cut, even inside a mark."""
    text = "".join(pieces)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    whole, cut = chat.reasoning_parser.Splitter(), chat.reasoning_parser.Splitter()
    expected = [whole.feed(text), whole.close(tools=tools)]
    parts = [cut.feed(text[a:b]) for a, b in pairwise(edges)]
    parts.append(cut.close(tools=tools))
    assert ["".join(side) for side in zip(*parts, strict=True)] == [
        "".join(side) for side in zip(*expected, strict=True)
    ]
    assert cut.called == whole.called
