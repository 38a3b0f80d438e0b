"""Settings that cannot hold together: each is refused with what to change, the rest is not."""

from typing import Any

import pytest

from serving.catalogue import THINKING, entry_for
from serving.engine import profile
from serving.engine.arithmetic import known_shape
from serving.engine.command import engine_command
from serving.engine.contradictions import WHOLE_FLAGS, Target, check
from serving.engine.shape import QWEN3_VL_8B
from serving.options import EngineSettings, GatewaySettings, Settings
from serving.settings import load
from tests.contracts.vllm_parser import FLAG_LIST

GIB = 2**30
H100 = Target(1, 80 * GIB, (9, 0))
A100 = Target(1, 80 * GIB, (8, 0))
FOUR_B200 = Target(4, 179 * GIB, (10, 0))


def problems(
    target: Target = H100, gateway: GatewaySettings | None = None, **options: Any
) -> list[str]:
    settings = Settings(
        engine=EngineSettings(model=THINKING, **options), gateway=gateway or GatewaySettings()
    )
    found = check(settings, entry_for(THINKING), QWEN3_VL_8B, target)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            {"max_model_len": 262_145, "kv_cache_dtype": "fp8"},
            ["262,145", "at most 262,144", "engine.yarn_factor to 1.1"],
            id="longer than the model",
        ),
        pytest.param(
            {"max_model_len": 300_000, "yarn_factor": 1.1},
            ["300,000", "at most 288,358", "engine.yarn_factor to 1.2"],
            id="longer than the factor",
        ),
        pytest.param(
            {"yarn_factor": 2, "video_pruning_rate": 0.5},
            ["engine.yarn_factor and engine.video_pruning_rate", "Leave one of them out"],
            id="pruning with YaRN",
        ),
        pytest.param(
            {"max_model_len": 262_144, "kv_cache_memory_bytes": 30 * GIB},
            ["KV cache holds about 218,453", "at most 218,453"],
            id="does not fit once",
        ),
        pytest.param(
            {"gpu_memory_utilization": 0.1},
            ["weights of 16.3 GiB leave no room", "FP8 checkpoint"],
            id="no room for the weights",
        ),
        pytest.param(
            {"tensor_parallel_size": 3},
            ["3 and does not divide the model's 32 attention heads", "divisor of 8"],
            id="heads",
        ),
        pytest.param(
            {"tensor_parallel_size": 16},
            ["does not divide the model's 8 KV heads"],
            id="KV heads",
        ),
        pytest.param(
            {"tensor_parallel_size": 2},
            ["this machine has 1 GPU", "at most 1"],
            id="more GPUs than there are",
        ),
        pytest.param(
            {"max_image_pixels": 16_777_216},
            ["engine.max_image_pixels", "16,384 tokens", "8,192", "at most 8,388,608"],
            id="picture above the encoder budget",
        ),
        pytest.param(
            {"max_video_pixels": 25_165_824},
            ["engine.max_video_pixels", "12,288 tokens", "at most 16,777,216"],
            id="video above the encoder budget",
        ),
        pytest.param(
            {"max_model_len": 4096},
            ["8,192 tokens, and the context of one request is 4,096"],
            id="picture above the context",
        ),
        pytest.param(
            {"limit_images": 4},
            ["gateway.max_images is 8 and engine.limit_images is 4"],
            id="the gateway lets in more",
        ),
        pytest.param(
            {"max_num_seqs": 9000},
            ["engine.max_num_batched_tokens is 8192 and engine.max_num_seqs is 9000"],
            id="fewer tokens than sequences",
        ),
        pytest.param(
            {"max_num_queued_reqs": 10},
            ["counts running requests too", "at least 64"],
            id="queue shorter than the batch",
        ),
        pytest.param(
            {"enable_chunked_prefill": False, "max_model_len": 65_536},
            ["does not fit into one step"],
            id="whole prompts",
        ),
        pytest.param(
            {"reasoning_end_text": "Enough."},
            ["does not end with </think>"],
            id="thought without an end",
        ),
        pytest.param(
            {"extra_args": ("--max-model-len", "5")},
            ["--max-model-len, which the settings already decide"],
            id="flag twice",
        ),
        pytest.param(
            {"extra_args": ("--no-enable-prefix-caching",)},
            ["--enable-prefix-caching, which the settings"],
            id="flag negated",
        ),
        pytest.param(
            {"extra_args": ("--limit_mm_per_prompt.image=9",)},
            ["--limit-mm-per-prompt, which the settings"],
            id="flag with a dot",
        ),
        pytest.param(
            {"extra_args": ("--api-key", "canary")},
            ["--api-key: anyone on the machine can read a command line"],
            id="secret in the arguments",
        ),
        pytest.param(
            {"extra_args": ("--api-k=canary",)},
            ["--api-key: anyone on the machine can read a command line"],
            id="secret behind a flag's beginning",
        ),
        pytest.param(
            {"extra_args": ("--gpu-memory-util", "0.99")},
            ["--gpu-memory-utilization, which the settings already decide"],
            id="beginning of a flag",
        ),
        pytest.param(
            {"extra_args": ("--device_memory_utilization=0.99",)},
            ["--device-memory-utilization", "already decide as --gpu-memory-utilization"],
            id="other name of a flag",
        ),
        *(
            pytest.param(
                {"extra_args": words},
                [f"engine.extra_args has {words[0]}: short flags", "in full"],
                id=f"short {words[0]}",
            )
            for words in (("-tp", "2"), ("-tp=2",), ("-t", "2"), ("-q", "fp8"), ("-O3",))
        ),
        pytest.param(
            {"kv_offloading_backend": "lmcache", "kv_offloading_size": 8},
            ["the package lmcache is not installed", "Install lmcache"],
            id="package that no requirements bring",
        ),
    ],
)
def test_a_contradiction_is_said_with_what_to_change(
    options: dict[str, Any], said: list[str]
) -> None:
    """One sentence names both sides, the next what to set."""
    found = "\n".join(problems(**options))

    for part in said:
        assert part in found
    assert "canary" not in found


def test_8_bit_floats_need_a_gpu_that_has_them() -> None:
    """An A100 has none, an H100 has."""
    on_a100, on_h100 = (problems(target, kv_cache_dtype="fp8") for target in (A100, H100))

    assert "compute capability 8.0 has no 8-bit floating point" in on_a100[0]
    assert on_h100 == []


@pytest.mark.parametrize(
    ("target", "options"),
    [
        pytest.param(H100, {}, id="defaults"),
        pytest.param(H100, {"max_model_len": 262_144}, id="the full context"),
        pytest.param(
            FOUR_B200,
            {"tensor_parallel_size": 4, "yarn_factor": 4, "max_model_len": 1_048_576},
            id="a million tokens on four GPUs",
        ),
        pytest.param(H100, {"limit_videos": 0, "max_video_pixels": 25_165_824}, id="no videos"),
        pytest.param(H100, {"extra_args": ("--seed", "-1", "--enable-lora")}, id="extra flags"),
        pytest.param(H100, {"extra_args": ("--chat-template", "x.jinja")}, id="a whole flag"),
    ],
)
def test_what_holds_together_is_let_through(target: Target, options: dict[str, Any]) -> None:
    """No sensible start is refused."""
    assert problems(target, **options) == []


@pytest.mark.parametrize("name", sorted(set(profile.names()) - {"cpu"}))
def test_every_profile_holds_together_on_its_gpu(name: str) -> None:
    """A profile is never refused on the hardware it was written for."""
    chosen = profile.load(name)
    settings = load(None, {}, chosen).settings
    shape = known_shape(settings.engine.model)

    assert shape is not None
    target = Target(1, chosen.memory_bytes, chosen.compute_capability)
    assert check(settings, entry_for(settings.engine.model), shape, target) == []


def test_a_lower_limit_at_the_gateway_is_no_contradiction() -> None:
    """The gateway may be stricter than the engine."""
    assert problems(gateway=GatewaySettings(max_images=2), limit_images=4) == []


def test_only_the_named_flags_look_like_the_beginning_of_ours() -> None:
    """Of all flags that vLLM has, those that merely begin like one we emit are known."""
    emitted = engine_command(EngineSettings(model=THINKING), entry_for(THINKING))
    ours = {word for word in emitted if word.startswith("--")}
    beginnings = {
        flag
        for flag in FLAG_LIST.read_text().split()
        if flag not in ours and any(own.startswith(flag) for own in ours)
    }
    assert beginnings == WHOLE_FLAGS
