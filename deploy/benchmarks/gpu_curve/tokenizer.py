"""A tokenizer as large as Qwen's, made in seconds: its words are this project's own.

Byte-level BPE like the original. The merges are learnt from the texts of this repository, and
tokens that no merge makes fill the vocabulary up: a model with random weights says them as often as
any. The tokens with a meaning stand at their real ids. What it lacks is Qwen's knowledge of words,
so a text is about twice as many tokens; every count of a measurement is the engine's own.
"""

import itertools
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).parents[3]
SIZE = 151_936
# Ids 151,643 to 151,668 of Qwen2.5's and Qwen3's tokenizers, in their order; True: special.
FIRST_MARK = 151_643
MARKS = (
    ("<|endoftext|>", True),
    ("<|im_start|>", True),
    ("<|im_end|>", True),
    ("<|object_ref_start|>", True),
    ("<|object_ref_end|>", True),
    ("<|box_start|>", True),
    ("<|box_end|>", True),
    ("<|quad_start|>", True),
    ("<|quad_end|>", True),
    ("<|vision_start|>", True),
    ("<|vision_end|>", True),
    ("<|vision_pad|>", True),
    ("<|image_pad|>", True),
    ("<|video_pad|>", True),
    ("<tool_call>", False),
    ("</tool_call>", False),
    ("<|fim_prefix|>", False),
    ("<|fim_middle|>", False),
    ("<|fim_suffix|>", False),
    ("<|fim_pad|>", False),
    ("<|repo_name|>", False),
    ("<|file_sep|>", False),
    ("<tool_response>", False),
    ("</tool_response>", False),
    ("<think>", False),
    ("</think>", False),
)
# The network has more rows than the original has tokens; here each has its own.
SPARE = tuple(f"<|spare_{number}|>" for number in range(SIZE - FIRST_MARK - len(MARKS)))
LEARNT = 30_000
# Words, single digits, punctuation with its line ends, and white space: Qwen's way to split.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "Ġ"  # how byte-level BPE writes a space


def build() -> Tokenizer:
    """Return the tokenizer: 256 bytes, learnt words, filling, marks and spare tokens."""
    tokenizer = Tokenizer(_filled(_learnt()))
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_mark(text, special=True) for text, yes in MARKS if yes])
    tokenizer.add_tokens([_mark(text, special=False) for text, yes in MARKS if not yes])
    tokenizer.add_tokens([_mark(text, special=False) for text in SPARE])
    return tokenizer


def _learnt() -> dict[str, Any]:
    """Learn from the repository's texts; return vocabulary and merges of a BPE model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _splitter()
    trainer = trainers.BpeTrainer(
        vocab_size=LEARNT,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    learnt: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return learnt


def _filled(learnt: dict[str, Any]) -> models.BPE:
    """Return the model with as many tokens as the original; marks get their ids by it."""
    vocabulary: dict[str, int] = dict(learnt["vocab"])
    letters = itertools.product(string.ascii_lowercase, repeat=4)
    while len(vocabulary) < FIRST_MARK:
        vocabulary.setdefault(SPACE + "".join(next(letters)), len(vocabulary))
    marks = [text for text, _ in MARKS]
    vocabulary |= {text: FIRST_MARK + number for number, text in enumerate([*marks, *SPARE])}
    return models.BPE(vocab=vocabulary, merges=[tuple(merge) for merge in learnt["merges"]])


def _texts() -> Iterator[str]:
    for pattern in ("*.md", "serving/**/*.md", "serving/**/*.py", "loadtests/**/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            yield path.read_text(encoding="utf-8")


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _mark(text: str, *, special: bool) -> AddedToken:
    return AddedToken(text, special=special, normalized=False)
