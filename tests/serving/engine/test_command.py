"""Settings to vLLM's arguments, as a table."""

import json
from typing import Any

import pytest

from serving.catalogue import INSTRUCT, THINKING, entry_for
from serving.engine.command import engine_command, engine_environment
from serving.failure import StartError
from serving.options import EngineSettings


def argv(model: str = THINKING, **options: Any) -> list[str]:
    engine = EngineSettings(model=model, **{"listen": "/run/serving/engine.sock", **options})
    return engine_command(engine, entry_for(model))


def value(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "--model Qwen/Qwen3-VL-8B-Thinking"),
        ({}, "--served-model-name Qwen/Qwen3-VL-8B-Thinking"),
        ({}, "--uds /run/serving/engine.sock"),
        ({}, "--generation-config vllm"),
        ({}, "--max-model-len auto"),
        ({}, "--allowed-media-domains media.invalid"),
        ({}, "--scheduling-policy priority"),
        ({}, "--enable-auto-tool-choice --tool-call-parser hermes"),
        ({}, "--enable-prompt-tokens-details"),
        ({}, "--enable-per-request-metrics"),
        ({}, "--mm-encoder-tp-mode data"),
        ({}, "--reasoning-parser qwen3_vl_thinking"),
        ({"listen": "tcp://127.0.0.1:8100"}, "--host 127.0.0.1 --port 8100"),
        ({"revision": "0c35"}, "--revision 0c35"),
        ({"dtype": "bfloat16"}, "--dtype bfloat16"),
        ({"quantization": "fp8_per_block"}, "--quantization fp8_per_block"),
        ({"tensor_parallel_size": 4}, "--tensor-parallel-size 4"),
        ({"gpu_memory_utilization": 0.8}, "--gpu-memory-utilization 0.8"),
        ({"kv_cache_dtype": "fp8"}, "--kv-cache-dtype fp8"),
        ({"kv_cache_memory_bytes": 1024}, "--kv-cache-memory-bytes 1024"),
        (
            {"kv_offloading_size": 8},
            "--kv-offloading-size 8.0 --kv-offloading-backend native",
        ),
        ({"enable_prefix_caching": True}, "--enable-prefix-caching"),
        ({"enable_prefix_caching": False}, "--no-enable-prefix-caching"),
        ({"enable_chunked_prefill": False}, "--no-enable-chunked-prefill"),
        ({"async_scheduling": True}, "--async-scheduling"),
        ({"async_scheduling": False}, "--no-async-scheduling"),
        ({"max_model_len": 65536}, "--max-model-len 65536"),
        ({"max_num_seqs": 24}, "--max-num-seqs 24"),
        ({"max_num_seqs": 24}, "--max-num-queued-reqs 48"),
        ({"max_num_queued_reqs": 99}, "--max-num-queued-reqs 99"),
        ({"max_num_batched_tokens": 4096}, "--max-num-batched-tokens 4096"),
        ({"enforce_eager": True}, "--enforce-eager"),
        ({"mm_processor_cache_gb": 1}, "--mm-processor-cache-gb 1.0"),
        ({"mm_processor_cache_type": "shm"}, "--mm-processor-cache-type shm"),
        ({"video_pruning_rate": 0.5}, "--video-pruning-rate 0.5"),
        ({"shutdown_timeout": 30}, "--shutdown-timeout 30"),
        (
            {"otlp_traces_endpoint": "http://otel:4318/v1/traces"},
            "--otlp-traces-endpoint http://otel:4318/v1/traces",
        ),
        ({"extra_args": ("--seed", "1")}, "--seed 1"),
    ],
)
def test_an_option_becomes_its_flag(options: dict[str, Any], expected: str) -> None:
    """Each option stands in the arguments under vLLM's name."""
    assert f" {expected} " in f" {' '.join(argv(**options))} "


@pytest.mark.parametrize(
    "flag",
    [
        "--quantization",
        "--hf-overrides",
        "--kv-cache-memory-bytes",
        "--kv-offloading-size",
        "--kv-offloading-backend",
        "--async-scheduling",
        "--no-async-scheduling",
        "--enforce-eager",
        "--video-pruning-rate",
        "--otlp-traces-endpoint",
        "--host",
        "--port",
        "--api-key",
    ],
)
def test_what_was_not_asked_for_is_not_said(flag: str) -> None:
    """vLLM keeps its own default where an option is not set, and no key is ever an argument."""
    assert flag not in argv()


@pytest.mark.parametrize(
    ("options", "flag", "expected"),
    [
        pytest.param(
            {"limit_images": 4, "max_image_pixels": 262_144, "max_video_pixels": 2_097_152},
            "--limit-mm-per-prompt",
            {
                "image": {"count": 4, "width": 512, "height": 512},
                "video": {"count": 1, "width": 1024, "height": 1024},
            },
            id="limits with sizes",
        ),
        pytest.param(
            {"max_image_pixels": 262_144, "max_video_pixels": 2_097_152},
            "--mm-processor-kwargs",
            {
                "images_kwargs": {"size": {"longest_edge": 262_144}},
                "videos_kwargs": {"size": {"longest_edge": 2_097_152}},
            },
            id="pixel caps",
        ),
        pytest.param(
            {"max_video_frames": 8},
            "--media-io-kwargs",
            {"video": {"max_frames": 8}},
            id="frames",
        ),
        pytest.param(
            {},
            "--structured-outputs-config",
            {"backend": "xgrammar", "disable_any_whitespace": True},
            id="no free white space",
        ),
        pytest.param(
            {"reasoning_end_text": "Enough.</think>"},
            "--reasoning-config",
            {"reasoning_end_str": "Enough.</think>"},
            id="end of thought",
        ),
        pytest.param(
            {"yarn_factor": 3, "max_model_len": 700_000},
            "--hf-overrides",
            {
                "text_config": {
                    "rope_parameters": {
                        "rope_type": "yarn",
                        "factor": 3.0,
                        "original_max_position_embeddings": 262_144,
                    },
                    "max_position_embeddings": 700_000,
                }
            },
            id="YaRN to a chosen length",
        ),
    ],
)
def test_a_structured_value_is_json(
    options: dict[str, Any], flag: str, expected: dict[str, Any]
) -> None:
    """Nested values are passed as one JSON word."""
    assert json.loads(value(argv(**options), flag)) == expected


def test_yarn_reaches_its_whole_length_where_none_was_chosen() -> None:
    """Factor 4 with an automatic context lifts the limit to 1,048,576 positions."""
    overrides = json.loads(value(argv(yarn_factor=4), "--hf-overrides"))

    assert overrides["text_config"]["max_position_embeddings"] == 1_048_576


def test_a_model_that_does_not_think_has_no_reasoning_parser() -> None:
    """The parser would take an Instruct model's whole answer for a thought."""
    words = argv(INSTRUCT)

    assert not [word for word in words if word.startswith("--reasoning")]


def test_the_tiny_models_thought_is_ended_by_the_bare_tag() -> None:
    """The toy was trained on thoughts cut by the tag alone, the real one gets a transition."""
    tiny, real = (
        json.loads(value(argv(model), "--reasoning-config"))["reasoning_end_str"]
        for model in ("tiny", THINKING)
    )

    assert tiny == "</think>"
    assert real.endswith("</think>")
    assert len(real) > len(tiny)


@pytest.mark.parametrize(
    "listen",
    ["tcp://0.0.0.0:8100", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "http://127.0.0.1:8100"],
)
def test_an_address_that_others_reach_is_refused(listen: str) -> None:
    """The engine has no key: it listens on a private socket or on loopback."""
    with pytest.raises(StartError, match=r"engine\.listen"):
        argv(listen=listen)


def test_the_environment_keeps_the_engine_off_the_network() -> None:
    """A model in a folder needs no hub; one request cannot ask for thousands of answers."""
    local = engine_environment(EngineSettings(model="/models/x"))
    remote = engine_environment(EngineSettings(model="x/y"))

    assert local == {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_MAX_N_SEQUENCES": "8",
        "HF_HUB_OFFLINE": "1",
    }
    assert "HF_HUB_OFFLINE" not in remote


def test_traces_leave_the_engine_as_they_leave_the_gateway() -> None:
    """One collector's address serves both: vLLM's own choice, gRPC, has another port.

    A collector that hangs does not hold the engine's end up for long.
    """
    url = "http://collector:4318/v1/traces"
    off = engine_environment(EngineSettings(model="x/y"))
    on = engine_environment(EngineSettings(model="x/y", otlp_traces_endpoint=url))

    assert {name: value for name, value in on.items() if name not in off} == {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2",
        "OTEL_SERVICE_NAME": "qwen3-vl-engine",
    }
