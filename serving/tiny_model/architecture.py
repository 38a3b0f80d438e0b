"""Build the untrained checkpoint: the Qwen3-VL architecture in small, its tokenizer, template and
processor, all made here from nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from serving.tiny_model import curriculum, first_set

CONTEXT = 16_384
MIN_PIXELS, MAX_PIXELS = 36_864, 262_144
VIDEO_FRAMES = 8
PATCH, MERGE = 16, 2
CELL = PATCH * MERGE  # pixels a token covers, each way
VOCABULARY = 1_024
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
MARKS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
# Words, single digits, punctuation and white space apart: a digit is always a token of its own.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+"
)


def _corpus(template: str) -> Iterator[str]:
    yield template
    tasks = [*first_set.PICTURE_TASKS, *first_set.TEXT_TASKS]
    for index in range(400):
        for task in tasks:
            if task != "aloud":
                sample = curriculum.sample("tokenizer", task, index)
                yield f"{sample.messages}\n{list(sample.tools)}".replace("'", '"')
                yield f"{sample.thought}\n\n{sample.answer}"


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the first set's own sentences."""
    template = TEMPLATE.read_text()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(template), trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106 — a token of the vocabulary
        additional_special_tokens=list(SPECIAL),
        image_token="<|image_pad|>",  # noqa: S106
        video_token="<|video_pad|>",  # noqa: S106
        vision_bos_token="<|vision_start|>",  # noqa: S106
        vision_eos_token="<|vision_end|>",  # noqa: S106
        chat_template=template,
        model_max_length=CONTEXT,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLProcessor:
    """Wrap the tokenizer with picture and video processors of the tiny model's limits."""
    shared: dict[str, Any] = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    images = Qwen2VLImageProcessor(
        size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}, **shared
    )
    videos = Qwen3VLVideoProcessor(
        size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS * VIDEO_FRAMES},
        max_frames=VIDEO_FRAMES,
        **shared,
    )
    return Qwen3VLProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=videos,
        chat_template=tokenizer.chat_template,
    )


def configuration(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """Return the shape of the network: Qwen3-VL's parts, each as small as its task allows."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 160,
        "intermediate_size": 384,
        "num_hidden_layers": 5,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": CONTEXT,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_interleaved": True,
            "mrope_section": [6, 5, 5],
        },
        "tie_word_embeddings": True,
        "pad_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "dtype": "bfloat16",
    }
    vision = {
        "depth": 4,
        "hidden_size": 160,
        "num_heads": 5,
        "intermediate_size": 384,
        "out_hidden_size": 160,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "num_position_embeddings": 256,
        "deepstack_visual_indexes": [1],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def build(seed: int = 0) -> tuple[Qwen3VLForConditionalGeneration, Qwen3VLProcessor]:
    """Return a random network in float32 and its processor; a seed always gives the same one."""
    processor = build_processor(build_tokenizer())
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(configuration(processor.tokenizer)).float()
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return model, processor
