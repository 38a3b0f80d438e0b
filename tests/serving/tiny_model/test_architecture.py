"""The network is Qwen3-VL's, small, and the same for the same seed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from serving.tiny_model import curriculum
from tests.later import Later

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
torch = Later("torch")
architecture = Later("serving.tiny_model.architecture")


def test_the_network_is_small_and_real(one_thread: None) -> None:
    """Under 4 M parameters, every part of Qwen3-VL there, embeddings shared with the head."""
    network, processor = architecture.build()
    assert sum(p.numel() for p in network.parameters()) < 4_000_000
    assert network.config.model_type == "qwen3_vl"
    assert network.lm_head.weight is network.model.language_model.embed_tokens.weight
    assert len(network.model.visual.deepstack_merger_list) > 0
    assert network.config.text_config.rope_parameters["mrope_section"]
    assert network.config.text_config.max_position_embeddings == 16_384
    assert len(processor.tokenizer) <= network.config.text_config.vocab_size


def test_the_same_seed_builds_the_same_network(one_thread: None) -> None:
    """Weights and vocabulary depend on the seed alone."""
    (first, one), (again, two), (other, _) = (architecture.build(seed) for seed in (0, 0, 1))
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()
    weights, same, different = (m.state_dict() for m in (first, again, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not all(torch.equal(weights[name], different[name]) for name in weights)


@pytest.mark.parametrize(
    "text",
    ["I see 2 red circles.", "Ünïcode, 漢字 and 🙂", " \n\n\ttabs  ", "12345", "<think>a</think>"],
)
def test_any_text_survives_the_tokenizer(text: str, processor: Qwen3VLProcessor) -> None:
    """Bytes are the last resort, so nothing is unknown."""
    ids = processor.tokenizer(text)["input_ids"]
    assert processor.tokenizer.decode(ids) == text


def test_marks_and_digits_are_tokens_of_their_own(processor: Qwen3VLProcessor) -> None:
    """The engine's parsers look for the marks by id; sums need digits one by one."""
    tokenizer = processor.tokenizer
    for mark in ("<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_end|>"):
        assert tokenizer.encode(f"a{mark}b") == [
            *tokenizer.encode("a"),
            tokenizer.convert_tokens_to_ids(mark),
            *tokenizer.encode("b"),
        ]
    assert len(tokenizer.encode("1234")) == 4
    assert tokenizer.decode(tokenizer.encode("</think>"), skip_special_tokens=True) == "</think>"


@pytest.mark.parametrize("task", [task for task in curriculum.TASKS if task != "aloud"])
def test_every_task_is_told_in_few_tokens(task: str, processor: Qwen3VLProcessor) -> None:
    """Also words which the vocabulary was not made of take few, so that thoughts stay short."""
    most = 48 if task == "which_picture" else 36  # its thought has three sentences
    for index in range(25):
        sample = curriculum.sample("tokens", task, index)
        said = f"{sample.thought}\n</think>\n\n{sample.answer}"
        assert len(processor.tokenizer(said)["input_ids"]) <= most
        texts = [m["content"] for m in sample.messages if isinstance(m["content"], str)]
        for word in re.findall(r" ?[A-Za-z]+", " ".join([said, *texts])):
            assert len(processor.tokenizer(word)["input_ids"]) <= 5, word


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        pytest.param((64, 64), 36, id="smaller than the floor grows"),
        pytest.param((320, 320), 100, id="in between stays"),
        pytest.param((1920, 1080), 252, id="1080p shrinks"),
        pytest.param((4096, 4096), 256, id="the cap holds"),
    ],
)
def test_a_picture_costs_what_its_size_says(
    size: tuple[int, int], tokens: int, processor: Qwen3VLProcessor
) -> None:
    """One token a 32-pixel square, between 25,600 and 262,144 pixels."""
    from PIL import Image  # noqa: PLC0415

    features = processor.image_processor([Image.new("RGB", size)], return_tensors="pt")
    assert int(features["image_grid_thw"].prod()) // 4 == tokens
