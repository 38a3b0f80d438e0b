"""Settings that cannot hold together, found before the engine spends minutes on them; pure but
for asking whether a package is there."""

import importlib.util
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from serving.catalogue import ModelEntry
from serving.engine import arithmetic
from serving.engine.command import NATIVE_CONTEXT, engine_command, max_queued_requests
from serving.engine.shape import ModelShape, readable
from serving.failure import StartError
from serving.options import EngineSettings, Settings

FP8_COMPUTE_CAPABILITY = (8, 9)
# Flags that would undo what the product relies on, or show a secret in the process list.
FORBIDDEN_FLAGS = {
    "--api-key": "anyone on the machine can read a command line; keys belong to the gateway",
    "--hf-token": "anyone on the machine can read a command line; set HF_TOKEN instead",
    "--config": "a second configuration file would be read behind this one",
}
# vLLM's other names of flags that the settings decide, and its flags that only look as if they
# were the beginning of one. Its parser completes any other beginning.
LONG_ALIASES = {"--device-memory-utilization": "--gpu-memory-utilization"}
WHOLE_FLAGS = frozenset({"--chat-template"})
# vLLM has some twenty, takes their beginnings as well, and values without a space: -tp2, -t 2.
SHORT_FLAG = re.compile(r"-[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Target:
    """The hardware a start is meant for; memory is one GPU's, and no GPU has count 0."""

    gpu_count: int
    memory_bytes: int
    compute_capability: tuple[int, int]


def check(
    settings: Settings, entry: ModelEntry, shape: ModelShape, target: Target
) -> list[StartError]:
    """Return every contradiction, each with what to change."""
    engine = settings.engine
    return [
        *_context(engine, shape),
        *_memory(engine, shape, target),
        *_parallelism(engine, shape, target),
        *_media(settings, shape, target),
        *_scheduling(engine),
        *_packages(engine),
        *_texts(engine, entry),
    ]


def _context(engine: EngineSettings, shape: ModelShape) -> Iterator[StartError]:
    native, length = shape.max_position_embeddings, engine.max_model_len
    if engine.yarn_factor is not None:
        if native != NATIVE_CONTEXT:
            yield StartError(
                f"engine.yarn_factor stretches models of {NATIVE_CONTEXT:,} positions and this "
                f"one has {native:,}.",
                "Leave engine.yarn_factor out.",
            )
        if engine.video_pruning_rate:
            yield StartError(
                "engine.yarn_factor and engine.video_pruning_rate together compute wrong "
                "positions in vLLM 0.32.",
                "Leave one of them out.",
            )
    if length == "auto":
        return
    reach = int(native * (engine.yarn_factor or 1))
    if length > reach:
        needed = math.ceil(10 * length / native) / 10
        yield StartError(
            f"engine.max_model_len is {length:,} and the model's positions end at {reach:,}.",
            f"Set engine.max_model_len to at most {reach:,}"
            + (f", or engine.yarn_factor to {needed} or more." if needed <= 4 else "."),
        )


def _memory(engine: EngineSettings, shape: ModelShape, target: Target) -> Iterator[StartError]:
    cached = arithmetic.kv_cache_tokens(engine, shape, target.memory_bytes)
    if cached == 0:
        yield StartError(
            f"The weights of {readable(shape.weight_bytes)} leave no room for a KV "
            f"cache on {engine.tensor_parallel_size} x "
            f"{readable(target.memory_bytes)} of GPU memory.",
            "Take an FP8 checkpoint, raise engine.tensor_parallel_size, or serve the tiny model "
            "with MODEL=tiny.",
        )
    elif engine.max_model_len != "auto" and engine.max_model_len > cached:
        yield StartError(
            f"engine.max_model_len is {engine.max_model_len:,} and the KV cache holds about "
            f"{cached:,} tokens: one such request would not fit.",
            f"Set engine.max_model_len to at most {cached:,}, or give the cache more: "
            "engine.kv_cache_memory_bytes, or an engine.kv_cache_dtype of 8 bits.",
        )
    if engine.kv_cache_dtype.startswith("fp8") and target.gpu_count:
        major, minor = target.compute_capability
        if target.compute_capability < FP8_COMPUTE_CAPABILITY:
            yield StartError(
                f"engine.kv_cache_dtype is {engine.kv_cache_dtype} and a GPU of compute "
                f"capability {major}.{minor} has no 8-bit floating point (8.9 has).",
                "Set engine.kv_cache_dtype to auto or int8_per_token_head.",
            )


def _parallelism(engine: EngineSettings, shape: ModelShape, target: Target) -> Iterator[StartError]:
    size = engine.tensor_parallel_size
    parts = {"attention heads": shape.heads, "KV heads": shape.kv_heads}
    if engine.mm_encoder_tp_mode == "weights":
        parts["heads of the picture encoder"] = shape.vision_heads
    for part, count in parts.items():
        if count % size:
            yield StartError(
                f"engine.tensor_parallel_size is {size} and does not divide the model's {count} "
                f"{part}.",
                f"Set it to a divisor of {math.gcd(*parts.values())}.",
            )
    if target.gpu_count and size > target.gpu_count:
        yield StartError(
            f"engine.tensor_parallel_size is {size} and this machine has {target.gpu_count} GPU.",
            f"Set it to at most {target.gpu_count}.",
        )


def _media(settings: Settings, shape: ModelShape, target: Target) -> Iterator[StartError]:
    engine, budget = settings.engine, settings.engine.max_num_batched_tokens
    length = arithmetic.context(engine, shape, target.memory_bytes)
    video_cell = shape.cell**2 * shape.temporal_patch
    largest = {
        "engine.max_image_pixels": (engine.limit_images, engine.max_image_pixels, shape.cell**2),
        "engine.max_video_pixels": (engine.limit_videos, engine.max_video_pixels, video_cell),
    }
    for option, (count, pixels, cell) in largest.items():
        tokens = pixels // cell
        limit, limiter = min(
            (budget, "engine.max_num_batched_tokens"), (length, "the context of one request")
        )
        if count and tokens > limit:
            yield StartError(
                f"{option} is {pixels:,}, which is {tokens:,} tokens, and {limiter} is {limit:,}.",
                f"Set {option} to at most {limit * cell:,}, or raise the other.",
            )
    if settings.gateway.max_images > engine.limit_images:
        yield StartError(
            f"gateway.max_images is {settings.gateway.max_images} and engine.limit_images is "
            f"{engine.limit_images}: the engine would refuse what the gateway lets in.",
            "Set both to the same number.",
        )


def _scheduling(engine: EngineSettings) -> Iterator[StartError]:
    if engine.max_num_batched_tokens < engine.max_num_seqs:
        yield StartError(
            f"engine.max_num_batched_tokens is {engine.max_num_batched_tokens} and "
            f"engine.max_num_seqs is {engine.max_num_seqs}: a step gives each at least one token.",
            "Raise the first or lower the second.",
        )
    if max_queued_requests(engine) < engine.max_num_seqs:
        yield StartError(
            f"engine.max_num_queued_reqs is {engine.max_num_queued_reqs} and counts running "
            f"requests too, of which engine.max_num_seqs allows {engine.max_num_seqs}.",
            f"Set it to at least {engine.max_num_seqs}.",
        )
    whole_prompts = not engine.enable_chunked_prefill and engine.max_model_len != "auto"
    if whole_prompts and engine.max_num_batched_tokens < int(engine.max_model_len):
        yield StartError(
            "engine.enable_chunked_prefill is off and a prompt of engine.max_model_len "
            f"({engine.max_model_len:,}) tokens does not fit into one step of "
            f"{engine.max_num_batched_tokens:,}.",
            "Turn it on, or raise engine.max_num_batched_tokens.",
        )


def _packages(engine: EngineSettings) -> Iterator[StartError]:
    if engine.kv_offloading_backend == "lmcache" and importlib.util.find_spec("lmcache") is None:
        yield StartError(
            "engine.kv_offloading_backend is lmcache and the package lmcache is not installed.",
            "Install lmcache into this environment, or set engine.kv_offloading_backend to native.",
        )


def _texts(engine: EngineSettings, entry: ModelEntry) -> Iterator[StartError]:
    end_text = engine.reasoning_end_text
    if end_text is not None and not end_text.endswith("</think>"):
        yield StartError(
            "engine.reasoning_end_text does not end with </think>: the thought would go on.",
            "Write </think> at its end.",
        )
    yield from _extra_args(engine, entry)


def _extra_args(engine: EngineSettings, entry: ModelEntry) -> Iterator[StartError]:
    own = engine.model_copy(update={"extra_args": ()})
    ours = {_bare(word): "" for word in engine_command(own, entry) if word.startswith("--")}
    ours |= {alias: f" as {flag}" for alias, flag in LONG_ALIASES.items() if flag in ours}
    for word in engine.extra_args:
        if SHORT_FLAG.match(word):
            yield StartError(
                f"engine.extra_args has {word}: short flags are not read here.",
                "Write the flag in full, with two dashes.",
            )
        elif word.startswith("--") and (secret := _completed(word, FORBIDDEN_FLAGS)):
            yield StartError(
                f"engine.extra_args has {secret}: {FORBIDDEN_FLAGS[secret]}.", "Leave it out."
            )
        elif word.startswith("--") and (flag := _completed(word, ours)):
            yield StartError(
                f"engine.extra_args has {flag}, which the settings already decide{ours[flag]}.",
                "Use the option of that name.",
            )


def _completed(word: str, flags: Collection[str]) -> str | None:
    """Return which of `flags` vLLM's parser takes a word for: itself, or one that it begins."""
    flag = _bare(word)
    if flag in flags or flag in WHOLE_FLAGS:
        return flag if flag in flags else None
    return next((known for known in flags if known.startswith(flag)), None)


def _bare(word: str) -> str:
    """Return a flag without its value, its key after a dot and its negation."""
    return word.partition("=")[0].partition(".")[0].replace("--no-", "--").replace("_", "-")
