"""The reasoning parser, driven as vLLM's chat endpoint drives it, with whole and cut outputs."""

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("vllm", reason="vLLM is not installed; enable: make test")

from serving.engine.torchvision_ops import define_missing

define_missing()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vLLM's own imports warn
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers.decoders import DecodeStream
    from transformers import PreTrainedTokenizerFast
    from vllm.entrypoints.generate.base.protocol import DeltaMessage
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.parser import ParserManager
    from vllm.parser.abstract_parser import Parser
    from vllm.reasoning import ReasoningParserManager

    from serving.engine import reasoning_parser
    from serving.engine.reasoning_parser import Qwen3VLThinkingReasoningParser

PLUGIN = Path(reasoning_parser.__file__)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("<tool_call>", "</tool_call>", "<think>", "</think>")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FORCED = {"type": "function", "function": {"name": "f"}}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train a small byte-level BPE whose marks are single tokens, special only where Qwen's are."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    sentences = ["I see a red circle.", '{"name": "f", "arguments": {}}', "Hmm, the sum of 1 and 2"]
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL),
    )


TOKENIZER = build_tokenizer()
END_OF_TURN = TOKENIZER.eos_token_id


def composed() -> type[Parser]:
    """Compose the parsers as the chat endpoint does from its command line."""
    ReasoningParserManager.import_reasoning_parser(str(PLUGIN))
    parser = ParserManager.get_parser(
        tool_parser_name="hermes",
        reasoning_parser_name="qwen3_vl_thinking",
        enable_auto_tools=True,
        tokenizer=TOKENIZER,
    )
    assert parser is not None
    return parser


PARSER = composed()


@dataclass(frozen=True)
class Reply:
    """What a client gets, alike for a message and for the sum of its deltas."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reasoning_tokens: int = 0


def ids_of(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False))


def ask(tools: Any = None, **fields: Any) -> ChatCompletionRequest:
    """Make a chat request; `tools` is the tool_choice of one that offers the tool `f`."""
    if tools:
        fields |= {"tools": [TOOL], "tool_choice": tools}
    return ChatCompletionRequest(messages=[{"role": "user", "content": "?"}], **fields)


def parser_for(request: ChatCompletionRequest) -> Parser:
    kwargs = request.build_chat_params(None, "auto").chat_template_kwargs
    parser = PARSER(TOKENIZER, request.tools, chat_template_kwargs=kwargs, model_config=None)
    parser.adjust_request(request)
    return parser


def text_of(ids: Sequence[int]) -> str:
    """Detokenize as vLLM does: the token that ends the turn has no text."""
    ended = ids[-1:] == [END_OF_TURN]
    return str(TOKENIZER.decode(ids[: len(ids) - ended], skip_special_tokens=False))


def whole(ids: list[int], request: ChatCompletionRequest) -> Reply:
    """Parse a complete output."""
    parser = parser_for(request)
    reasoning, content, calls = parser.parse(
        text_of(ids), request, enable_auto_tools=True, model_output_token_ids=ids
    )
    assert reasoning != ""
    assert content != ""
    return Reply(
        reasoning or "",
        content or "",
        tuple((call.name, canonical(call.arguments)) for call in calls or ()),
        parser.count_reasoning_tokens(ids),
    )


def deltas(ids: list[int], cuts: Iterable[int], request: ChatCompletionRequest) -> list[Any]:
    """Stream an output cut before the given token positions, and return what the stream says."""
    parser, decoder = parser_for(request), DecodeStream(skip_special_tokens=False)
    edges = sorted({0, len(ids), *(cut % (len(ids) + 1) for cut in cuts)})
    said: list[DeltaMessage | None] = []
    for start, end in pairwise(edges):
        text = "".join(
            decoder.step(TOKENIZER.backend_tokenizer, token) or ""
            for token in ids[start:end]
            if token != END_OF_TURN
        )
        said.append(
            parser.parse_delta(
                text, ids[start:end], request, prompt_token_ids=PROMPT, finished=end == len(ids)
            )
        )
    return [delta for delta in said if delta], parser.count_reasoning_tokens(tuple(ids))


def streamed(ids: list[int], cuts: Iterable[int], request: ChatCompletionRequest) -> Reply:
    """Put a stream's deltas together as a client does."""
    said, reasoning_tokens = deltas(ids, cuts, request)
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for call in (call for delta in said for call in delta.tool_calls):
        assert call.function is not None
        if call.function.name:
            assert call.index not in names
            assert call.id
            names[call.index] = call.function.name
        arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    return Reply(
        "".join(delta.reasoning or "" for delta in said),
        "".join(delta.content or "" for delta in said),
        tuple((name, canonical(arguments[index])) for index, name in sorted(names.items())),
        reasoning_tokens,
    )


def canonical(arguments: str) -> str:
    return json.dumps(json.loads(arguments), sort_keys=True)


def call_text(arguments: Any, name: str = "f") -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


PROMPT = ids_of(
    "<|im_start|>assistant\n<think>\nold\n</think>\n\n5<|im_end|>\n"
    "<|im_start|>user\nWhat does </think> mean?<|im_end|>\n<|im_start|>assistant\n<think>\n"
)
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
    ids = [*ids_of(output), END_OF_TURN]
    reasoning, content, *calls = expected
    reply = Reply(reasoning, content, tuple(calls), len(ids_of(reasoning)))
    assert whole(ids, ask(tools)) == reply
    assert streamed(ids, cuts, ask(tools)) == reply


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
    ids = ids_of("a red one.\n</think>\n\nRed.")
    expected = Reply("a red one.\n", "Red.", (), len(ids_of("a red one.\n")))
    assert whole(ids, ask(**fields)) == expected
    assert streamed(ids, range(500), ask(**fields)) == expected


def test_forced_end_text_counts_as_thought() -> None:
    """Reasoning tokens include the text forced by the budget, and the tag not."""
    thought = "1 2 3\n\nEnough. The answer:"
    assert whole(ids_of(thought + "</think>\n\n3"), ask()).reasoning_tokens == len(ids_of(thought))


def test_cut_thought_counts_every_token() -> None:
    """A thought cut short by max_tokens has no other tokens, and its content is null."""
    ids = ids_of("I see a red")
    parser = parser_for(ask())
    assert parser.parse(text_of(ids), ask())[:2] == ("I see a red", None)
    assert parser.count_reasoning_tokens(ids) == len(ids)


def test_delta_names_only_what_it_carries() -> None:
    """A streamed chunk never carries a null beside the text, so that scanning it stays simple."""
    said, _ = deltas(ids_of("a b\n</think>\n\nRed one."), range(500), ask())
    assert said
    for delta in said:
        assert set(delta.model_dump(exclude_unset=True)) in ({"reasoning"}, {"content"})


@pytest.mark.parametrize(
    ("ids", "ended"),
    [
        pytest.param(PROMPT, False, id="open thought after a closed one"),
        pytest.param([*PROMPT, *ids_of("a </think> b")], True, id="thought ended"),
        pytest.param(ids_of("no thought at all"), False, id="no marks"),
    ],
)
def test_reasoning_end_is_judged_by_the_last_mark(ids: list[int], ended: bool) -> None:
    """The grammar waits for the end of the thought that the prompt opened, not of an older one."""
    assert reasoner().is_reasoning_end(ids) is ended


def test_reasoning_end_of_a_step_is_judged_by_its_own_tokens() -> None:
    """A decode step ends the thought when `</think>` is among its tokens."""
    end = ids_of("</think>")
    thought = [*PROMPT, *ids_of("a red one")]
    assert not reasoner().is_reasoning_end_streaming(thought, thought[-2:])
    assert reasoner().is_reasoning_end_streaming(thought + end, end)


def test_content_ids_begin_after_the_open_thought() -> None:
    """Content ids leave out the prompt's older answers and later end marks."""
    assert reasoner().extract_content_ids(PROMPT) == []
    assert reasoner().extract_content_ids(ids_of("a </think>")) == []
    output = ids_of("a</think> b</think> c")
    assert reasoner().extract_content_ids(output) == ids_of(" b") + ids_of(" c")
    assert reasoner().extract_content_ids(PROMPT + output) == ids_of(" b") + ids_of(" c")


def test_thinking_budget_knows_the_marks() -> None:
    """The engine learns from the parser what opens and what ends a thought."""
    assert reasoner().reasoning_start_str == "<think>"
    assert reasoner().reasoning_end_str == "</think>"


@pytest.mark.parametrize(
    "choice", [pytest.param("required", id="required"), pytest.param(FORCED, id="named")]
)
def test_forced_call_keeps_its_native_form(choice: Any) -> None:
    """The grammar of a forced call is the form with tags, by which its beginning is known."""
    request = ask(choice)
    parser_for(request)
    assert request.structured_outputs is not None
    assert "<tool_call>" in str(request.structured_outputs.structural_tag)


def reasoner() -> Qwen3VLThinkingReasoningParser:
    return Qwen3VLThinkingReasoningParser(TOKENIZER)


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
    request, (first, rest) = ask(tools), said
    ids = [*ids_of(f"{thought}</think>{blank}{first}{rest}"), END_OF_TURN]
    expected = Reply(thought, first + rest.replace("</think>", ""), (), len(ids_of(thought)))
    assert whole(ids, request) == expected
    assert streamed(ids, cuts, request) == expected


@given(thoughts, cuts_of)
def test_any_chunking_of_an_unfinished_thought(thought: str, cuts: list[int]) -> None:
    """A thought that neither ends nor ends in calls is thought to its last character."""
    thought += "."
    ids = ids_of(thought)
    expected = Reply(thought, "", (), len(ids))
    assert whole(ids, ask("auto")) == expected
    assert streamed(ids, cuts, ask("auto")) == expected


@given(thoughts, st.lists(argument_sets, min_size=1, max_size=2), st.booleans(), cuts_of)
def test_any_chunking_of_calls(
    thought: str, arguments: list[Any], ends: bool, cuts: list[int]
) -> None:
    """Calls at the end of the output are calls, whether the thought has ended or not."""
    thought += "."
    output = thought + ("\n</think>\n\n" if ends else "") + "\n".join(map(call_text, arguments))
    ids = [*ids_of(output), END_OF_TURN]
    thought += "\n" if ends else ""
    calls = tuple(("f", json.dumps(each, sort_keys=True)) for each in arguments)
    expected = Reply(thought, "", calls, len(ids_of(thought)))
    assert whole(ids, ask("auto")) == expected
    assert streamed(ids, cuts, ask("auto")) == expected
