"""Tests of the checkpoint without weights: what a start reads of it is as the real one's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine import arithmetic
from serving.engine.checkpoint import missing_parts, opens_thought
from serving.engine.shape import PARAMETERS, QWEN3_VL_8B

pytest.importorskip("tokenizers", reason="no tokenizers; enable: make serve")

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from deploy.benchmarks.gpu_curve import architecture, checkpoint

ROOT = Path(__file__).parents[2]
# As the published tokenizer_config.json numbers them.
PUBLISHED = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|vision_start|>": 151652,
    "<|vision_end|>": 151653,
    "<|vision_pad|>": 151654,
    "<|image_pad|>": 151655,
    "<|video_pad|>": 151656,
    "<tool_call>": 151657,
    "</tool_call>": 151658,
    "<tool_response>": 151665,
    "</tool_response>": 151666,
    "<think>": 151667,
    "</think>": 151668,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the 8B's folder once."""
    return checkpoint.make(tmp_path_factory.mktemp("dummy"), architecture.EIGHT_B)


@pytest.fixture(scope="module")
def made(folder: Path) -> Any:
    """Read the tokenizer as a start does."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_the_vocabulary_is_as_large(made: Any):
    """Every id has one token, from the first to the last row of the network's embedding."""
    vocabulary = made.get_vocab(with_added_tokens=True)
    assert sorted(vocabulary.values()) == list(range(151_936))
    assert architecture.VOCABULARY == 151_936


def test_marks_stand_at_their_published_ids(made: Any):
    """In text they are one token each, and those of the template are not shown."""
    assert {mark: made.token_to_id(mark) for mark in PUBLISHED} == PUBLISHED
    text = "<|im_start|>assistant\n<think>\nSo.</think>"
    ids = made.encode(text).ids
    assert [ids[0], ids.count(151667), ids[-1]] == [151644, 1, 151668]
    assert made.decode(ids) == "assistant\n<think>\nSo.</think>"


@given(text=st.text(max_size=80))
def test_any_text_comes_back(made: Any, text: str):
    """Byte-level: nothing is unknown, nothing is normalised."""
    assert made.decode(made.encode(text).ids, skip_special_tokens=False) == text


def test_every_byte_has_a_token(made: Any):
    """Also those that are no text alone."""
    told = set(made.get_vocab(with_added_tokens=False))
    assert len(ByteLevel.alphabet()) == 256
    assert told >= set(ByteLevel.alphabet())


def test_text_is_not_spelt_out(made: Any):
    """The learnt words make a page of English a third of its characters at most."""
    page = (ROOT / "LICENSE").read_text()
    assert len(made.encode(page).ids) * 2 < len(page)


def test_the_folder_is_a_whole_checkpoint(folder: Path):
    """The start finds nothing missing; the weights take no room on the disk."""
    assert folder.name == "Qwen3-VL-8B-Thinking"
    assert missing_parts(folder) == []
    assert opens_thought(folder)
    assert (folder / "model.safetensors").stat().st_blocks * 512 < 2**20


def test_the_shape_is_the_published_one(folder: Path):
    """Memory, context and tokens of a picture come out as for the real weights."""
    shape = arithmetic.read_shape(folder)
    head_bytes = shape.weight_bytes - QWEN3_VL_8B.weight_bytes
    assert 0 < head_bytes < 1024
    assert replace(shape, weight_bytes=0) == replace(QWEN3_VL_8B, weight_bytes=0)


def test_the_8b_counts_as_published():
    """The sum over its matrices is the one that the memory arithmetic uses."""
    assert architecture.parameters(architecture.EIGHT_B) == PARAMETERS == 8_767_123_696


def test_nothing_ends_an_output():
    """No end token is declared anywhere: a model with random weights would choose it."""
    configuration = architecture.configuration(architecture.EIGHT_B)
    told = json.dumps([configuration, checkpoint.TOKENIZER_CONFIG])
    assert '"eos_token' not in told
