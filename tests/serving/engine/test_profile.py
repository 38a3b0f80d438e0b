"""Profiles: complete, explained, and found for the GPU that is there."""

from pathlib import Path

import pytest

from serving.engine import profile
from serving.engine.hardware import Gpu
from serving.failure import StartError

MIB = 2**20


def gpu(name: str, memory_mib: int, capability: tuple[int, int]) -> Gpu:
    return Gpu(
        index=0,
        name=name,
        memory_bytes=memory_mib * MIB,
        free_bytes=memory_mib * MIB,
        compute_capability=capability,
        driver="580.65.06",
    )


H100 = gpu("NVIDIA H100 80GB HBM3", 81_559, (9, 0))


def test_the_promised_profiles_are_there() -> None:
    """Five GPUs and the CPU have a profile."""
    assert set(profile.names()) == {"h100", "h200", "b200", "a100-80g", "l40s", "cpu"}


@pytest.mark.parametrize("name", profile.names())
def test_every_value_has_its_reason(name: str) -> None:
    """A value without a reason cannot be judged when hardware or vLLM changes."""
    loaded = profile.load(name)

    assert loaded.engine
    assert all(len(loaded.reasons[option]) > 20 for option in loaded.engine)
    assert "model" in loaded.engine


def test_an_unknown_profile_is_refused_with_the_choices() -> None:
    """A misspelt profile names those there are."""
    with pytest.raises(StartError, match="a100-80g, b200, cpu, h100, h200, l40s"):
        profile.load("h1000")


@pytest.mark.parametrize(
    ("found", "expected", "exact"),
    [
        (H100, "h100", True),
        (gpu("NVIDIA H200", 143_771, (9, 0)), "h200", True),
        (gpu("NVIDIA B200", 183_359, (10, 0)), "b200", True),
        (gpu("NVIDIA A100-SXM4-80GB", 81_920, (8, 0)), "a100-80g", True),
        (gpu("NVIDIA L40S", 46_068, (8, 9)), "l40s", True),
        (gpu("NVIDIA H100 NVL", 95_830, (9, 0)), "h100", False),
        (gpu("NVIDIA A100-SXM4-40GB", 40_960, (8, 0)), "a100-80g", False),
        (gpu("NVIDIA GeForce RTX 4090", 24_564, (8, 9)), "l40s", False),
        (gpu("NVIDIA GeForce RTX 5090", 32_607, (12, 0)), "b200", False),
        (None, "cpu", True),
    ],
)
def test_a_gpu_gets_the_nearest_profile(found: Gpu | None, expected: str, exact: bool) -> None:
    """Compute capability decides first, then memory; only the very kind is called exact."""
    chosen, is_exact = profile.nearest(found)

    assert (chosen.name, is_exact) == (expected, exact)


@pytest.mark.parametrize(
    ("environ", "found", "name", "model"),
    [
        ({}, None, "cpu", "tiny"),
        ({}, H100, "h100", "Qwen/Qwen3-VL-8B-Thinking"),
        ({"MODEL": "tiny"}, H100, "cpu", "tiny"),
        ({"PROFILE": "l40s"}, None, "l40s", "Qwen/Qwen3-VL-8B-Thinking-FP8"),
        ({"MODEL": "/models/x"}, H100, "h100", "/models/x"),
    ],
)
def test_settings_are_settled_by_wish_and_hardware(
    environ: dict[str, str], found: Gpu | None, name: str, model: str
) -> None:
    """Afterwards model and profile are named, and the profile's values stand under the rest."""
    loaded, exact = profile.settle(None, environ, found)

    assert (loaded.settings.engine.profile, loaded.settings.engine.model) == (name, model)
    assert loaded.origins["engine.max_num_seqs"] == f"profile {name}"
    assert exact


def test_a_file_may_choose_the_profile(tmp_path: Path) -> None:
    """The profile is an option like all others."""
    config = tmp_path / "site.yaml"
    config.write_text("engine: {profile: h200, max_num_seqs: 3}\n")

    engine = profile.settle(config, {}, None)[0].settings.engine

    assert (engine.profile, engine.max_num_seqs, engine.max_num_batched_tokens) == (
        "h200",
        3,
        16_384,
    )
