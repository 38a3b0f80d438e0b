"""Weights, KV cache and picture tokens, against numbers computed elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import INSTRUCT, THINKING
from serving.engine.arithmetic import (
    context,
    describe,
    known_shape,
    kv_bytes_per_token,
    kv_cache_bytes,
    kv_cache_tokens,
    read_shape,
)
from serving.engine.shape import QWEN3_VL_8B
from serving.failure import StartError
from serving.options import EngineSettings

GIB = 2**30
TINY_CONFIG = {
    "text_config": {
        "num_hidden_layers": 5,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "hidden_size": 160,
        "max_position_embeddings": 16_384,
    },
    "vision_config": {
        "num_heads": 5,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}


def checkpoint(folder: Path, config: Any = TINY_CONFIG) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    return folder


def engine(**options: Any) -> EngineSettings:
    return EngineSettings(model=THINKING, **options)


@pytest.mark.parametrize(
    ("options", "kib"),
    [
        ({}, 144),
        ({"kv_cache_dtype": "fp8"}, 72),
        ({"kv_cache_dtype": "int4_per_token_head"}, 36),
        ({"dtype": "float32"}, 288),
        ({"dtype": "float32", "kv_cache_dtype": "bfloat16"}, 144),
    ],
)
def test_a_token_of_the_8b_model_takes_its_known_kib(options: dict[str, Any], kib: int) -> None:
    """36 layers x 8 KV heads x 128, keys and values, are 144 KiB in bfloat16."""
    assert kv_bytes_per_token(engine(**options), QWEN3_VL_8B) == kib * 1024


@pytest.mark.parametrize(
    ("model", "gigabytes"),
    [(THINKING, 17.5), (INSTRUCT, 17.5), (f"{THINKING}-FP8", 10.6), (f"{INSTRUCT}-FP8", 10.6)],
)
def test_published_weights_have_their_known_size(model: str, gigabytes: float) -> None:
    """The repositories hold 17.5 GB in bfloat16 and 10.6 GB in FP8."""
    shape = known_shape(model)

    assert shape is not None
    assert round(shape.weight_bytes / 1e9, 1) == gigabytes


def test_an_unknown_model_has_no_known_shape() -> None:
    """Nothing is guessed about a repository that was never seen."""
    assert known_shape("someone/else") is None


# Computed with transformers' own smart_resize (factor 32, min 65,536) for these sizes and caps.
@pytest.mark.parametrize(
    ("width", "height", "max_pixels", "tokens"),
    [
        (512, 512, 16_777_216, 256),
        (1280, 720, 16_777_216, 880),
        (1920, 1080, 16_777_216, 2040),
        (4096, 4096, 16_777_216, 16_384),
        (4000, 3000, 8_388_608, 8112),
        (4096, 4096, 4_194_304, 4096),
        (1920, 1080, 262_144, 252),
        (333, 777, 262_144, 240),
    ],
)
def test_a_picture_costs_what_the_processor_makes_of_it(
    width: int, height: int, max_pixels: int, tokens: int
) -> None:
    """Sides are rounded to 32 pixels and scaled down together when the cap is passed."""
    assert QWEN3_VL_8B.image_tokens(width, height, max_pixels) == tokens


@given(
    width=st.integers(256, 8192),
    height=st.integers(256, 8192),
    max_pixels=st.integers(65_536, 2**24),
)
def test_no_picture_costs_more_than_its_cap(width: int, height: int, max_pixels: int) -> None:
    """The cap on pixels is a cap on tokens."""
    tokens = QWEN3_VL_8B.image_tokens(width, height, max_pixels)

    assert 1 <= tokens <= max_pixels // 1024


def test_two_gpus_share_the_weights() -> None:
    """Twice the memory minus the weights once, not twice."""
    one = kv_cache_bytes(engine(), QWEN3_VL_8B, 80 * GIB)
    two = kv_cache_bytes(engine(tensor_parallel_size=2), QWEN3_VL_8B, 80 * GIB)

    assert two == 2 * one + QWEN3_VL_8B.weight_bytes


def test_weights_larger_than_the_gpu_leave_nothing() -> None:
    """A GPU that does not hold the weights has no KV cache, not a negative one."""
    assert kv_cache_tokens(engine(), QWEN3_VL_8B, 16 * GIB) == 0


@pytest.mark.parametrize(
    ("memory_gib", "options", "expected"),
    [
        pytest.param(80, {}, 262_144, id="the model's own"),
        pytest.param(80, {"max_model_len": 1000}, 1000, id="asked for"),
        pytest.param(141, {"yarn_factor": 2}, 524_288, id="stretched"),
        pytest.param(24, {"kv_cache_memory_bytes": GIB}, 7281, id="what the cache holds"),
    ],
)
def test_the_context_is_what_fits_once(
    memory_gib: int, options: dict[str, Any], expected: int
) -> None:
    """Without a wish the context is the KV cache, up to where positions end."""
    assert context(engine(**options), QWEN3_VL_8B, memory_gib * GIB) == expected


def test_a_shape_is_read_from_the_checkpoint(tmp_path: Path) -> None:
    """config.json and the files of weights say all that the arithmetic needs."""
    shape = read_shape(checkpoint(tmp_path))

    assert (shape.layers, shape.heads, shape.kv_heads, shape.weight_bytes) == (5, 5, 1, 1000)
    assert kv_bytes_per_token(engine(), shape) == 5 * 2 * 1 * 32 * 2


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The folder is named."""
    with pytest.raises(StartError, match=tmp_path.name):
        read_shape(tmp_path)


@pytest.mark.parametrize("config", [{}, [], {"text_config": {}, "vision_config": {}}])
def test_another_architecture_is_refused(tmp_path: Path, config: Any) -> None:
    """A checkpoint of another kind is said to be one."""
    with pytest.raises(StartError, match="not the configuration of a Qwen3-VL"):
        read_shape(checkpoint(tmp_path, config))


def test_the_description_shows_every_step() -> None:
    """A person can check the context from weights, memory and bytes a token."""
    page = "\n".join(describe(engine(), QWEN3_VL_8B, 80 * GIB))

    for fact in ("16.3 GiB", "80.0 GiB x 0.92", "144.0 KiB", "262,144 tokens", "1080p"):
        assert fact in page
