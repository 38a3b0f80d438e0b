"""Turns settings into vLLM's argument list and environment; pure, one line an option."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from serving.catalogue import ModelEntry
from serving.engine import socket
from serving.options import EngineSettings

# The context that Qwen3-VL was trained for; YaRN stretches it.
NATIVE_CONTEXT = 262_144
REASONING_PARSER = "qwen3_vl_thinking"
REASONING_PARSER_FILE = Path(__file__).with_name("reasoning_parser.py")
# Reserved by RFC 2606 never to resolve: the gateway fetches media, the engine never does.
NO_MEDIA_DOMAIN = "media.invalid"
# White space is free in JSON, and a model can emit it for ever inside a grammar.
STRUCTURED_OUTPUTS = {"backend": "xgrammar", "disable_any_whitespace": True}
# What the engine's spans are called after; the gateway's have a name of their own.
ENGINE_SERVICE = "qwen3-vl-engine"
# vLLM would run 16,384 answers for one request.
MAX_ANSWERS_PER_REQUEST = 8
# Merged patches are this many pixels wide and high, a frame pair of them is one token.
CELL_PIXELS = 32

Value = str | int | float | bool | Mapping[str, object] | None


def engine_command(engine: EngineSettings, entry: ModelEntry) -> list[str]:
    """Return vLLM's arguments, without the program; `engine.model` is an id or a folder.

    Raises StartError where `engine.listen` is no address an engine may have.
    """
    flags = _model_flags(engine, entry) | _capacity_flags(engine) | _media_flags(engine)
    flags |= _behaviour_flags(engine, entry)
    argv = [word for flag, value in flags.items() for word in _words(flag, value)]
    return [*argv, *engine.extra_args]


def engine_environment(engine: EngineSettings) -> dict[str, str]:
    """Return the variables vLLM is started with, on top of the caller's."""
    variables = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_MAX_N_SEQUENCES": str(MAX_ANSWERS_PER_REQUEST),
    }
    if Path(engine.model).is_absolute():
        variables["HF_HUB_OFFLINE"] = "1"
    if engine.otlp_traces_endpoint is not None:
        # The gateway's protocol, so that one collector's address serves both; vLLM's is gRPC.
        variables["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
        # Its end waits this long for a collector that hangs; by default it would be 10 seconds.
        variables["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] = "2"
        variables["OTEL_SERVICE_NAME"] = ENGINE_SERVICE
    return variables


def max_queued_requests(engine: EngineSettings) -> int:
    """Return how many requests may run or wait before the engine refuses the next."""
    return engine.max_num_queued_reqs or 2 * engine.max_num_seqs


def longest_context(engine: EngineSettings) -> int:
    """Return the largest max_model_len that the rotary positions reach."""
    return int((engine.yarn_factor or 1) * NATIVE_CONTEXT)


def _model_flags(engine: EngineSettings, entry: ModelEntry) -> dict[str, Value]:
    return {
        "--model": engine.model,
        "--served-model-name": entry.id,
        "--revision": engine.revision,
        "--dtype": engine.dtype,
        "--quantization": engine.quantization,
        # The gateway sends the model's sampling; a second source would surprise.
        "--generation-config": "vllm",
        "--max-model-len": engine.max_model_len,
        "--hf-overrides": _yarn(engine),
        **_listen_flags(engine),
    }


def _capacity_flags(engine: EngineSettings) -> dict[str, Value]:
    offloading = engine.kv_offloading_size is not None
    return {
        "--tensor-parallel-size": engine.tensor_parallel_size,
        "--gpu-memory-utilization": engine.gpu_memory_utilization,
        "--kv-cache-dtype": engine.kv_cache_dtype,
        "--kv-cache-memory-bytes": engine.kv_cache_memory_bytes,
        "--kv-offloading-size": engine.kv_offloading_size,
        "--kv-offloading-backend": engine.kv_offloading_backend if offloading else None,
        _switch("enable-prefix-caching", engine.enable_prefix_caching): True,
        _switch("enable-chunked-prefill", engine.enable_chunked_prefill): True,
        "--max-num-seqs": engine.max_num_seqs,
        "--max-num-batched-tokens": engine.max_num_batched_tokens,
        "--max-num-queued-reqs": max_queued_requests(engine),
        "--scheduling-policy": "priority",
        _switch("async-scheduling", bool(engine.async_scheduling)): (
            engine.async_scheduling is not None
        ),
        "--enforce-eager": engine.enforce_eager,
    }


def _media_flags(engine: EngineSettings) -> dict[str, Value]:
    picture, frame = (_square(engine.max_image_pixels), _square(engine.max_video_pixels // 2))
    return {
        # Counts bind requests; sizes shape the trial that measures memory at the start.
        "--limit-mm-per-prompt": {
            "image": {"count": engine.limit_images, "width": picture, "height": picture},
            "video": {"count": engine.limit_videos, "width": frame, "height": frame},
        },
        "--mm-processor-kwargs": {
            "images_kwargs": {"size": {"longest_edge": engine.max_image_pixels}},
            "videos_kwargs": {"size": {"longest_edge": engine.max_video_pixels}},
        },
        "--media-io-kwargs": {"video": {"max_frames": engine.max_video_frames}},
        "--mm-processor-cache-gb": engine.mm_processor_cache_gb,
        "--mm-processor-cache-type": engine.mm_processor_cache_type,
        "--mm-encoder-tp-mode": engine.mm_encoder_tp_mode,
        "--video-pruning-rate": engine.video_pruning_rate,
        "--allowed-media-domains": NO_MEDIA_DOMAIN,
    }


def _behaviour_flags(engine: EngineSettings, entry: ModelEntry) -> dict[str, Value]:
    flags: dict[str, Value] = {
        # Parts stay in the client's order; vLLM's guess from a template may put pictures first.
        "--chat-template-content-format": "openai",
        "--enable-auto-tool-choice": True,
        "--tool-call-parser": "hermes",
        "--structured-outputs-config": STRUCTURED_OUTPUTS,
        "--enable-prompt-tokens-details": True,
        "--enable-per-request-metrics": True,
        # A comment in every silence of a stream, so that no proxy takes a long prompt for a death.
        "--sse-keep-alive-interval": 10,
        "--shutdown-timeout": engine.shutdown_timeout,
        "--otlp-traces-endpoint": engine.otlp_traces_endpoint,
        # The gateway writes the one line a request gets.
        "--disable-uvicorn-access-log": True,
    }
    if entry.thinks:
        end_text = engine.reasoning_end_text or entry.reasoning_end_text
        flags |= {
            "--reasoning-parser-plugin": str(REASONING_PARSER_FILE),
            "--reasoning-parser": REASONING_PARSER,
            "--reasoning-config": {"reasoning_end_str": end_text},
        }
    return flags


def _listen_flags(engine: EngineSettings) -> dict[str, Value]:
    address = socket.parse(engine.listen)
    if isinstance(address, Path):
        return {"--uds": str(address)}
    host, port = address
    return {"--host": host, "--port": port}


def _yarn(engine: EngineSettings) -> Mapping[str, object] | None:
    """The one form vLLM 0.32 takes: the parameters alone would not lift the length limit."""
    if engine.yarn_factor is None:
        return None
    stretched = longest_context(engine)
    length = stretched if engine.max_model_len == "auto" else engine.max_model_len
    return {
        "text_config": {
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": engine.yarn_factor,
                "original_max_position_embeddings": NATIVE_CONTEXT,
            },
            "max_position_embeddings": length,
        }
    }


def _square(pixels: int) -> int:
    """Return the side of the largest square of whole cells with at most `pixels`."""
    return math.isqrt(pixels) // CELL_PIXELS * CELL_PIXELS


def _switch(name: str, on: bool) -> str:
    return f"--{name}" if on else f"--no-{name}"


def _words(flag: str, value: Value) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, Mapping):
        return [flag, json.dumps(value, separators=(",", ":"), ensure_ascii=False)]
    return [flag, str(value)]
