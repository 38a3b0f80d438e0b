"""Every flag we emit exists in the pinned vLLM and is taken by its own argument parser."""

import importlib.util
from typing import Any

import pytest

from serving.catalogue import entry_for
from serving.engine import profile
from serving.engine.command import engine_command
from serving.options import EngineSettings
from serving.settings import load
from tests.contracts import vllm_parser

KNOWN_FLAGS = frozenset(vllm_parser.FLAG_LIST.read_text().split())
EVERY_OPTION = EngineSettings(
    model="Qwen/Qwen3-VL-8B-Thinking",
    revision="0123abcd",
    listen="/run/serving/engine.sock",
    dtype="bfloat16",
    quantization="fp8_per_block",
    tensor_parallel_size=2,
    kv_cache_dtype="fp8",
    kv_cache_memory_bytes=2**30,
    kv_offloading_size=8,
    enable_prefix_caching=False,
    enable_chunked_prefill=False,
    max_model_len=786_432,
    yarn_factor=3,
    async_scheduling=False,
    enforce_eager=True,
    video_pruning_rate=0.5,
    mm_processor_cache_type="shm",
    mm_encoder_tp_mode="weights",
    reasoning_end_text="Enough.</think>",
    otlp_traces_endpoint="http://127.0.0.1:4318/v1/traces",
    extra_args=("--seed", "1"),
)
ON_TCP = EngineSettings(model="x/y", listen="tcp://127.0.0.1:8100", async_scheduling=True)
STARTS = {
    **{
        name: load(None, {}, profile.load(name)).settings.engine for name in sorted(profile.names())
    },
    "every option": EVERY_OPTION,
    "on TCP": ON_TCP,
}

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed; enable: make test",
)


def command(start: str) -> list[str]:
    engine = STARTS[start]
    return engine_command(engine, entry_for(engine.model))


@pytest.fixture(scope="module")
def parser() -> Any:
    """Return vLLM's own parser."""
    return vllm_parser.make_parser()


@pytest.mark.parametrize("start", STARTS)
def test_every_emitted_flag_is_in_the_committed_list(start: str) -> None:
    """No start uses a flag that the pinned vLLM does not have."""
    flags = {word for word in command(start) if word.startswith("--")}

    assert flags <= KNOWN_FLAGS


@needs_vllm
def test_the_committed_list_is_the_installed_parsers(parser: Any) -> None:
    """The list that is checked without vLLM says the same as vLLM itself."""
    assert vllm_parser.flags(parser) == KNOWN_FLAGS


@needs_vllm
@pytest.mark.parametrize("start", STARTS)
def test_vllm_reads_a_start_as_meant(parser: Any, start: str) -> None:
    """vLLM's own parser accepts every start and understands its main values."""
    engine = STARTS[start]
    values = vllm_parser.parse(parser, command(start))

    assert values["model"] == engine.model
    assert values["served_model_name"] == str([entry_for(engine.model).id])
    assert values["max_num_seqs"] == str(engine.max_num_seqs)
    assert values["max_model_len"] == str(
        -1 if engine.max_model_len == "auto" else engine.max_model_len
    )
    assert values["allowed_media_domains"] == "['media.invalid']"
    assert values["enable_prefix_caching"] == str(engine.enable_prefix_caching)


@needs_vllm
def test_vllm_reads_the_nested_values(parser: Any) -> None:
    """JSON values arrive as structures, not as text."""
    values = vllm_parser.parse(parser, command("every option"))

    assert "'count': 8" in values["limit_mm_per_prompt"]
    assert "'max_position_embeddings': 786432" in values["hf_overrides"]
    assert "Enough.</think>" in values["reasoning_config"]
    assert "disable_any_whitespace=True" in values["structured_outputs_config"]
    assert values["scheduling_policy"] == "priority"
    assert values["async_scheduling"] == "False"
    assert values["seed"] == "1"
