"""vLLM's parsers driven as its chat endpoint drives them, with a small tokenizer of our own.

Imports vLLM, which takes seconds.
"""

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

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


PROMPT = ids_of(
    "<|im_start|>assistant\n<think>\nold\n</think>\n\n5<|im_end|>\n"
    "<|im_start|>user\nWhat does </think> mean?<|im_end|>\n<|im_start|>assistant\n<think>\n"
)


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


def reasoner() -> Qwen3VLThinkingReasoningParser:
    """Make our parser alone."""
    return Qwen3VLThinkingReasoningParser(TOKENIZER)
