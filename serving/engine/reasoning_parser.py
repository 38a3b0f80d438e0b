"""vLLM plugin `qwen3_vl_thinking`: tells thought, answer and tool calls of Qwen3-VL-Thinking apart.

The chat template has opened `<think>` in the prompt, so output begins inside the thought.

- The first `</think>` ends the thought, wherever it stands. Later ones are dropped from the answer,
  and so are the blank lines that an answer would begin with. No request can switch this off.
- A `<tool_call>` in a thought is thought, with one exception: a thought that never ends, and whose
  last words are complete calls (JSON with `name` and `arguments` between the tags) and nothing
  else, has called. Where the request offers no tools these words are thought like the rest.
- Only the end of the output can tell, so a stream holds text back from a `<tool_call>` while it may
  still become such calls; the first character that breaks the form sends it on as thought.
- In the answer a `<tool_call>` that no JSON object follows is text.

It goes with `--tool-call-parser hermes` and native formats for forced calls, vLLM's default
(VLLM_ENFORCE_STRICT_TOOL_CALLING). vLLM loads this file by its path, so it imports no sibling.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import from_json
from vllm.entrypoints.generate.base.protocol import (
    DeltaFunctionCall,
    DeltaMessage,
    DeltaToolCall,
)
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.reasoning import ReasoningParserManager
from vllm.reasoning.basic_parsers import BaseThinkingReasoningParser
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.tokenizers import TokenizerLike

THINK, THINK_END = "<think>", "</think>"
CALL, CALL_END = "<tool_call>", "</tool_call>"
CALL_BEGINS = re.compile(rf"{CALL}\s*\{{")
JSON = json.JSONDecoder()
BLANK_LINES = re.compile(r"\A\s*\n")

Request: TypeAlias = ChatCompletionRequest | ResponsesRequest


class Split(NamedTuple):
    """A stretch of output, split into thought and answer."""

    thought: str = ""
    answer: str = ""


class Call(NamedTuple):
    """One complete tool call."""

    name: str
    arguments: dict[str, Any]


class Phase(Enum):
    """Where in the output the splitter stands."""

    THOUGHT = auto()
    LEAD = auto()  # the thought has ended, and only white space has followed
    ANSWER = auto()
    CALLS = auto()  # the answer's calls: from here on text belongs to the tool parser, untouched


class Splitter:
    """Splits output as it streams; any chunking gives the same thought and answer."""

    def __init__(self) -> None:
        self.phase = Phase.THOUGHT
        self.called: list[Call] = []  # made by a thought that never ended
        self._held = ""

    def feed(self, text: str) -> Split:
        """Return what this text makes certain, and hold back the rest."""
        self._held += text
        thought = ""
        if self.phase is Phase.THOUGHT:
            end = self._held.find(THINK_END)
            if end < 0:
                return Split(self._take(_certain_thought(self._held)))
            thought = self._take(end)
            self._take(len(THINK_END))
            self.phase = Phase.LEAD
        return Split(thought, self._answer())

    def close(self, *, tools: bool) -> Split:
        """Return what was held back; a thought calls only where the request offers `tools`."""
        held = self._take(len(self._held))
        if self.phase is not Phase.THOUGHT:
            return Split(answer=_without_lead(held) if self.phase is Phase.LEAD else held)
        self.called = complete_calls(held) if tools else []
        return Split(answer=held) if self.called else Split(held)

    def _answer(self) -> str:
        if self.phase is Phase.CALLS:
            return self._take(len(self._held))
        begins = CALL_BEGINS.search(self._held)
        certain = begins.start() if begins else _before_unfinished_tag(self._held)
        text = self._take(certain).replace(THINK_END, "")
        if self.phase is Phase.LEAD:
            if not begins and not text.strip():
                self._held = text + self._held
                return ""
            self.phase, text = Phase.ANSWER, _without_lead(text)
        if begins:
            self.phase, text = Phase.CALLS, text + self._take(len(self._held))
        return text

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken


def complete_calls(text: str) -> list[Call]:
    """Return the calls that the text consists of; none where there is anything else in it."""
    *blocks, rest = text.rstrip().split(CALL_END)
    calls = [call for block in blocks if (call := _call(block))]
    return calls if not rest and len(calls) == len(blocks) else []


def _certain_thought(text: str) -> int:
    """Return how much of a thought's text can be neither a call nor an unfinished tag."""
    for tag in re.finditer(CALL, text):
        if _may_become_calls(text[tag.start() :]):
            return tag.start()
    return _before_unfinished_tag(text)


def _before_unfinished_tag(text: str) -> int:
    """Return the length without a tag at the end that what follows completes or explains."""
    tag = text.rfind("<")
    tail = text[tag:].rstrip()
    unfinished = tag >= 0 and (THINK_END[:-1].startswith(tail) or CALL.startswith(tail))
    return tag if unfinished else len(text)


def _may_become_calls(text: str) -> bool:
    *blocks, rest = text.split(CALL_END)
    return all(map(_call, blocks)) and _may_become_call(rest.lstrip())


def _may_become_call(text: str) -> bool:
    if CALL.startswith(text):
        return True
    before, _, body = text.partition(CALL)
    body = body.strip()
    try:
        call = None if before else from_json(body or "{", allow_partial=True)
    except ValueError:
        return False
    with suppress(ValueError):  # not complete yet
        _, end = JSON.raw_decode(body)
        return isinstance(call, dict) and CALL_END.startswith(body[end:].lstrip())
    return isinstance(call, dict)


def _call(block: str) -> Call | None:
    before, _, body = block.partition(CALL)
    try:
        call = None if before.strip() else from_json(body)
    except ValueError:
        return None
    match call:
        case {"name": str(name), "arguments": dict(arguments)}:
            return Call(name, arguments)
    return None


def _without_lead(text: str) -> str:
    return BLANK_LINES.sub("", text) if text.strip() else ""


class Qwen3VLThinkingReasoningParser(BaseThinkingReasoningParser):
    """Gives vLLM the `Splitter`; one instance serves one choice of one request.

    `engine_based_streaming` is vLLM's word for a parser that itself says when the tool parser takes
    over, and that is asked at the end for what it holds back. The tool parser takes over at the
    answer's first call; until then the whole answer comes through the splitter.
    """

    engine_based_streaming = True
    start_token = THINK
    end_token = THINK_END

    def __init__(self, tokenizer: TokenizerLike, *args: Any, **kwargs: Any) -> None:
        super().__init__(tokenizer, *args, **kwargs)
        self._splitter = Splitter()
        self._tools = False

    def extract_reasoning(
        self, model_output: str, request: Request
    ) -> tuple[str | None, str | None]:
        """Split a complete output."""
        first = self._splitter.feed(model_output)
        last = self._splitter.close(tools=_offers_tools(request))
        return first.thought + last.thought or None, first.answer + last.answer or None

    def extract_reasoning_streaming(  # noqa: PLR0913, PLR0917 — vLLM's interface
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
    ) -> DeltaMessage | None:
        """Split one delta."""
        return _delta(self._splitter.feed(delta_text))

    def has_engine_confirmed_reasoning_end(self) -> bool:
        """Tell whether the tool parser takes over, beginning with this delta's answer."""
        return self._splitter.phase is Phase.CALLS

    def get_streaming_fallback_content(self, text: str, request: Request) -> str:
        """Learn from the request, at the end of a stream, whether a thought could have called."""
        self._tools = _offers_tools(request)
        return ""

    def finish_streaming(self) -> DeltaMessage | None:
        """Return what the stream held back."""
        split = self._splitter.close(tools=self._tools)
        if self._splitter.called:
            return DeltaMessage(tool_calls=_tool_calls(self._splitter.called))
        return _delta(split)

    def extract_content_ids(self, input_ids: list[int]) -> list[int]:
        """Return the answer's ids: those after the end of the last thought that was opened."""
        opened = [n for n, token in enumerate(input_ids) if token == self.start_token_id]
        output = input_ids[opened[-1] + 1 :] if opened else input_ids
        if self.end_token_id not in output:
            return []
        answer = output[output.index(self.end_token_id) + 1 :]
        return [token for token in answer if token != self.end_token_id]

    def count_reasoning_tokens(self, token_ids: Sequence[int]) -> int:
        """Count the generated tokens before the first `</think>`, a forced end text included."""
        if self.end_token_id in token_ids:
            return token_ids.index(self.end_token_id)
        call_id, called = self.vocab.get(CALL), len(self._splitter.called)
        calls = [n for n, token in enumerate(token_ids) if called and token == call_id]
        if calls:
            return calls[-called:][0]
        # The token that ended the output is not part of the thought.
        ended = bool(token_ids) and token_ids[-1] in self.model_tokenizer.all_special_ids
        return len(token_ids) - ended


def _offers_tools(request: Request) -> bool:
    return bool(request.tools) and request.tool_choice != "none"


def _delta(split: Split) -> DeltaMessage | None:
    """Set only what there is: vLLM writes every field that was set into the stream."""
    fields = {"reasoning": split.thought, "content": split.answer}
    said = {name: text for name, text in fields.items() if text}
    return DeltaMessage.model_validate(said) if said else None


def _tool_calls(calls: list[Call]) -> list[DeltaToolCall]:
    return [
        DeltaToolCall(
            index=index,
            id=make_tool_call_id(),
            type="function",
            function=DeltaFunctionCall(
                name=call.name, arguments=json.dumps(call.arguments, ensure_ascii=False)
            ),
        )
        for index, call in enumerate(calls)
    ]


ReasoningParserManager.register_module("qwen3_vl_thinking", module=Qwen3VLThinkingReasoningParser)
