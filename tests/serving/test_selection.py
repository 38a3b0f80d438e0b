"""One decision what to serve: by hardware unless the user named it, and the same in children."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.catalogue import THINKING, TINY
from serving.engine.hardware import Gpu, Holder, Machine
from serving.failure import StartError
from serving.selection import Selection, select

GIB = 2**30
H100 = Gpu(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=81_559 * 2**20,
    free_bytes=81_000 * 2**20,
    compute_capability=(9, 0),
    driver="580.95.05",
)
SMALL = dataclasses.replace(H100, name="NVIDIA T1000", memory_bytes=8 * GIB, free_bytes=8 * GIB)
OLD = dataclasses.replace(H100, driver="535.104.05")
HELD = dataclasses.replace(H100, free_bytes=30 * GIB, holders=(Holder(4711, "python3", 49 * GIB),))
L4 = dataclasses.replace(
    H100,
    name="NVIDIA L4",
    memory_bytes=23_034 * 2**20,
    free_bytes=22_900 * 2**20,
    compute_capability=(8, 9),
)


def machine(*gpus: Gpu, problem: str = "") -> Machine:
    """Return a machine with some GPUs and little memory of its own."""
    return Machine(
        system="Linux",
        architecture="x86_64",
        python=(3, 11),
        gpus=gpus,
        cpu_flags=frozenset({"avx2"}),
        memory_bytes=8 * GIB,
        cores=2,
        gpu_problem=problem,
    )


def chosen(environ: Mapping[str, str], *gpus: Gpu) -> Selection:
    """Return what a machine with these GPUs serves under these variables."""
    return select(None, environ, machine(*gpus))


def test_without_a_gpu_the_tiny_model_is_served_and_the_reason_said() -> None:
    """A laptop starts without a question asked."""
    selection = chosen({})
    assert (selection.entry.id, selection.engine.model) == (TINY, "tiny")
    assert selection.engine.profile == "cpu"
    assert "no NVIDIA GPU" in selection.choice.reason
    assert selection.is_exact, "a missing GPU is no unknown GPU"


def test_a_silent_driver_is_the_reason_that_is_said() -> None:
    """Where nvidia-smi fails, its words are shown instead of a missing GPU."""
    selection = select(None, {}, machine(problem="nvidia-smi failed: no devices were found"))
    assert selection.entry.id == TINY
    assert "no devices were found" in selection.choice.reason


def test_a_free_h100_serves_the_real_model() -> None:
    """The GPU's own profile decides, and the GPU is named in the reason."""
    selection = chosen({}, H100)
    assert (selection.entry.id, selection.engine.model) == (THINKING, THINKING)
    assert (selection.engine.profile, selection.is_exact) == ("h100", True)
    assert "GPU 0 (NVIDIA H100 80GB HBM3)" in selection.choice.reason


def test_a_gpu_without_a_profile_takes_the_nearest() -> None:
    """Compute capability and memory find it, and it is not called exact."""
    selection = chosen({}, L4)
    assert (selection.engine.profile, selection.is_exact) == ("l40s", False)


OBSTACLES = [
    pytest.param(SMALL, "8.0 GiB", id="too small"),
    pytest.param(OLD, "driver 535.104.05", id="driver too old"),
    pytest.param(HELD, "process 4711 (python3, 49.0 GiB)", id="memory held"),
]


@pytest.mark.parametrize(("gpu", "said"), OBSTACLES)
def test_a_gpu_that_cannot_leads_to_the_tiny_model(gpu: Gpu, said: str) -> None:
    """The reason names number and limit, and the settings are the CPU's afterwards."""
    selection = chosen({}, gpu)
    assert (selection.entry.id, selection.engine.model) == (TINY, "tiny")
    assert said in selection.choice.reason
    assert selection.engine.profile == "cpu"


@pytest.mark.parametrize("variable", ["MODEL", "SERVING_ENGINE__MODEL"])
@pytest.mark.parametrize(("gpu", "said"), OBSTACLES)
def test_a_model_asked_for_by_name_is_never_replaced(gpu: Gpu, said: str, variable: str) -> None:
    """The start ends with the same reason, and the way out."""
    with pytest.raises(StartError) as refused:
        chosen({variable: THINKING}, gpu)
    assert said in refused.value.what
    assert "MODEL=tiny" in refused.value.next_step


def test_a_name_in_the_file_counts_as_asked_for(tmp_path: Path) -> None:
    """It is the user who speaks, wherever it is written."""
    config = tmp_path / "serving.yaml"
    config.write_text(f"engine:\n  model: {THINKING}\n")
    with pytest.raises(StartError, match="T1000"):
        select(config, {}, machine(SMALL))


@pytest.mark.parametrize(
    "gpus", [(), (H100,), (SMALL,), (L4,)], ids=["none", "H100", "T1000", "L4"]
)
def test_the_tiny_model_can_be_had_anywhere(gpus: tuple[Gpu, ...]) -> None:
    """MODEL=tiny wins over any hardware and takes the CPU's profile."""
    selection = chosen({"MODEL": "tiny"}, *gpus)
    assert (selection.entry.id, selection.engine.profile) == (TINY, "cpu")
    assert "asked for" in selection.choice.reason


def test_aliases_of_the_settings_are_names_of_the_model() -> None:
    """What the user calls it is known besides its own names."""
    selection = chosen({"SERVING_MODELS__ALIASES": "house-model"})
    assert selection.entry.names[0] == TINY
    assert "house-model" in selection.entry.names


def test_prices_of_the_settings_are_the_models() -> None:
    """A price that is not set stays the list's."""
    price = chosen({"SERVING_MODELS__PROMPT_PRICE": "0.5"}, H100).entry.price
    listed = chosen({}, H100).entry.price
    assert price == dataclasses.replace(listed, prompt=0.5)
    assert listed.prompt == 0.18


@pytest.mark.parametrize(
    ("environ", "gpus"),
    [
        pytest.param({}, (), id="laptop"),
        pytest.param({}, (H100,), id="H100"),
        pytest.param({}, (L4,), id="nearest profile"),
        pytest.param({}, (SMALL,), id="GPU too small"),
        pytest.param({}, (OLD,), id="driver too old"),
        pytest.param({}, (HELD,), id="memory held"),
        pytest.param({"MODEL": "tiny"}, (H100,), id="tiny by name"),
        pytest.param({"MODEL": f"{THINKING}-FP8"}, (H100,), id="FP8 by name"),
        pytest.param({"PROFILE": "l40s"}, (H100,), id="profile by name"),
        pytest.param({"MODEL": "/models/mine", "PROFILE": "cpu"}, (), id="a folder"),
    ],
)
def test_a_child_decides_the_same(environ: dict[str, str], gpus: tuple[Gpu, ...]) -> None:
    """Engine and gateway select anew under the parent's variables and come to its decision."""
    parent = chosen(environ, *gpus)
    child = chosen({**environ, **parent.environment()}, *gpus)
    assert child.loaded.settings == parent.loaded.settings
    assert child.entry == parent.entry


@pytest.mark.parametrize("environ", [{}, {"MODEL": THINKING}], ids=["auto", "by name"])
def test_a_gateway_keeps_the_model_that_its_engine_holds_the_gpu_with(
    environ: dict[str, str],
) -> None:
    """Restarted beside a running engine, it names the same model and does not miss the memory."""
    engine = Holder(99, "VLLM::EngineCore", 74 * GIB)
    taken = dataclasses.replace(H100, free_bytes=5 * GIB, holders=(engine,))
    beside = select(None, environ, machine(taken), on_trust=True)
    assert beside.entry == chosen(environ, H100).entry
    assert beside.loaded.settings == chosen(environ, H100).loaded.settings


def test_a_gateway_sees_no_gpu_in_its_own_container() -> None:
    """The model that was named is taken at its word: the engine's container has the hardware."""
    beside = select(None, {"MODEL": THINKING}, machine(), on_trust=True)
    assert beside.entry.id == THINKING


def test_a_gateway_agrees_that_a_small_gpu_serves_the_tiny_model() -> None:
    """What the engine chose by itself the gateway chooses, too."""
    beside = select(None, {}, machine(SMALL), on_trust=True)
    assert beside.entry == chosen({}, SMALL).entry
