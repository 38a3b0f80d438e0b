"""What a model costs: weights, KV bytes a token, sequences that fit, tokens of a picture; pure but
for reading a checkpoint's own files."""

import json
from pathlib import Path

from serving.engine import checkpoint
from serving.engine.choice import SMALLEST_CONTEXT, Layout
from serving.engine.command import longest_context
from serving.engine.shape import PUBLISHED, QWEN3_VL_8B, ModelShape, overhead_bytes, readable
from serving.failure import StartError
from serving.options import EngineSettings

KV_VALUE_BYTES = {
    "auto": 2,
    "bfloat16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "fp8_per_token_head": 1,
    "int8_per_token_head": 1,
    "int4_per_token_head": 0.5,
}
PICTURES = (
    ("512 x 512", 512, 512),
    ("720p", 1280, 720),
    ("1080p", 1920, 1080),
    ("12 megapixels", 4000, 3000),
    ("4096 x 4096", 4096, 4096),
)


def known_shape(model: str) -> ModelShape | None:
    """Return the published shape of a checkpoint that need not be on disk, by its id."""
    return PUBLISHED.get(model)


def read_shape(folder: Path) -> ModelShape:
    """Read a checkpoint's config.json and the size of its weights.

    Raises StartError where the folder holds no Qwen3-VL checkpoint.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        text, vision = config["text_config"], config["vision_config"]
        return ModelShape(
            layers=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            kv_heads=text["num_key_value_heads"],
            head_dim=text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"],
            vision_heads=vision["num_heads"],
            patch=vision["patch_size"],
            merge=vision["spatial_merge_size"],
            temporal_patch=vision["temporal_patch_size"],
            max_position_embeddings=text["max_position_embeddings"],
            weight_bytes=checkpoint.weight_bytes(folder),
        )
    except OSError:
        raise StartError(
            f"{folder} holds no model: config.json cannot be read.",
            "Give a folder with a complete checkpoint.",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"{path} is not the configuration of a Qwen3-VL model (at {error}).",
            "Give a Qwen3-VL checkpoint.",
        ) from None


def kv_bytes_per_token(engine: EngineSettings, shape: ModelShape) -> int:
    """Return the bytes of one token in the KV cache, without scales kept beside the values."""
    full_width = engine.kv_cache_dtype == "auto" and engine.dtype == "float32"
    value_bytes = 4 if full_width else KV_VALUE_BYTES[engine.kv_cache_dtype]
    return int(shape.kv_values_per_token * value_bytes)


def smallest_context(engine: EngineSettings, shape: ModelShape) -> int:
    """Return the tokens without which a start is of no use: those of the largest medium.

    A longer context that was asked for is not one of them: what it contradicts is said of it.
    """
    picture = shape.largest_image_tokens(engine.max_image_pixels) if engine.limit_images else 0
    video = shape.largest_video_tokens(engine.max_video_pixels) if engine.limit_videos else 0
    needed = max(SMALLEST_CONTEXT, picture, video)
    return needed if engine.max_model_len == "auto" else min(needed, engine.max_model_len)


def layout(engine: EngineSettings, shape: ModelShape = QWEN3_VL_8B) -> Layout:
    """Return what the settings ask of GPUs beside the weights, for the choice of a model."""
    cache_bytes = smallest_context(engine, shape) * kv_bytes_per_token(engine, shape)
    if engine.kv_cache_memory_bytes is not None:
        cache_bytes = engine.kv_cache_memory_bytes * engine.tensor_parallel_size
    return Layout(
        gpu_count=engine.tensor_parallel_size,
        gpu_memory_utilization=engine.gpu_memory_utilization,
        kv_cache_bytes=cache_bytes,
        overhead_bytes=overhead_bytes(engine.max_num_batched_tokens),
    )


def kv_cache_bytes(engine: EngineSettings, shape: ModelShape, memory_bytes: int) -> int:
    """Return the bytes left for keys and values over all GPUs, 0 where the weights do not fit."""
    if engine.kv_cache_memory_bytes is not None:
        return engine.kv_cache_memory_bytes * engine.tensor_parallel_size
    overhead = overhead_bytes(engine.max_num_batched_tokens)
    usable = int(memory_bytes * engine.gpu_memory_utilization) - overhead
    return max(0, usable * engine.tensor_parallel_size - shape.weight_bytes)


def kv_cache_tokens(engine: EngineSettings, shape: ModelShape, memory_bytes: int) -> int:
    """Return how many tokens the KV cache holds."""
    return kv_cache_bytes(engine, shape, memory_bytes) // kv_bytes_per_token(engine, shape)


def context(engine: EngineSettings, shape: ModelShape, memory_bytes: int) -> int:
    """Return the tokens of one request: what was asked for, or what the KV cache holds once."""
    if engine.max_model_len != "auto":
        return engine.max_model_len
    reach = longest_context(engine) if engine.yarn_factor else shape.max_position_embeddings
    return min(reach, kv_cache_tokens(engine, shape, memory_bytes))


def describe(engine: EngineSettings, shape: ModelShape, memory_bytes: int) -> list[str]:
    """Return the arithmetic behind a start as lines for a person."""
    cached = kv_cache_tokens(engine, shape, memory_bytes)
    length = context(engine, shape, memory_bytes)
    sequences = cached / length if length else 0.0
    per_token = kv_bytes_per_token(engine, shape)
    sizes = (
        (name, shape.image_tokens(width, height, engine.max_image_pixels))
        for name, width, height in PICTURES
    )
    available = (
        f"{readable(memory_bytes)} x {engine.gpu_memory_utilization}"
        if engine.kv_cache_memory_bytes is None
        else "not asked: engine.kv_cache_memory_bytes is set"
    )
    video = shape.largest_video_tokens(engine.max_video_pixels)
    return [
        f"weights                 {readable(shape.weight_bytes)}",
        f"memory of one GPU       {available}",
        f"KV cache                {readable(kv_cache_bytes(engine, shape, memory_bytes))}"
        f" = {cached:,} tokens of {readable(per_token)}",
        f"context                 {length:,} tokens; {sequences:.1f} such sequences fit",
        *(f"picture {name:<15} {tokens:,} tokens" for name, tokens in sizes),
        f"video at most           {video:,} tokens, {engine.max_video_frames} frames",
    ]
