"""The real model is served where it fits, the tiny one elsewhere, and the reason is said."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import THINKING, entry_for
from serving.engine import arithmetic, contradictions, profile
from serving.engine.choice import TINY_SHARE, Layout, choose_model, obstacle, takes_cuda
from serving.engine.hardware import Gpu, Holder, Machine
from serving.engine.shape import PUBLISHED
from serving.failure import StartError
from serving.options import EngineSettings, Settings

GIB = 2**30


def gpu(total_gib: float, free_gib: float | None = None, **change: object) -> Gpu:
    """A healthy GPU of some size, changed where a test says so."""
    free = total_gib - 0.5 if free_gib is None else free_gib
    healthy = Gpu(
        index=0,
        name="NVIDIA Test",
        memory_bytes=int(total_gib * GIB),
        free_bytes=int(free * GIB),
        compute_capability=(9, 0),
        driver="580.95.05",
    )
    return dataclasses.replace(healthy, **change)


def machine(
    *gpus: Gpu, memory_gib: int = 8, problem: str = "", architecture: str = "x86_64"
) -> Machine:
    return Machine(
        system="Linux",
        architecture=architecture,
        python=(3, 11),
        gpus=gpus,
        cpu_flags=frozenset({"avx2"}),
        memory_bytes=memory_gib * GIB,
        cores=2,
        gpu_problem=problem,
    )


def test_weights_are_the_published_checkpoints_size() -> None:
    """Counted from the architecture, the parameters are those of the published index."""
    layer = 4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 12288
    embeddings = 2 * 151_936 * 4096
    encoder = 27 * (4 * 1152 * 1152 + 2 * 1152 * 4304) + 4 * 4608 * (4608 + 4096)
    counted = 36 * layer + embeddings + encoder
    sizes = {model: shape.weight_bytes for model, shape in PUBLISHED.items()}
    assert sizes[THINKING] == pytest.approx(2 * counted, rel=0.001)
    assert sizes[f"{THINKING}-FP8"] == pytest.approx(2 * counted - 36 * layer, rel=0.001)


@given(
    model=st.sampled_from(sorted(PUBLISHED)),
    memory_mib=st.integers(8 * 1024, 200 * 1024),
    count=st.sampled_from([1, 2, 4, 8]),
    share=st.sampled_from([0.5, 0.8, 0.92, 1.0]),
    batched_tokens=st.sampled_from([2048, 4096, 8192, 16_384]),
    cache_type=st.sampled_from(["auto", "int8_per_token_head"]),
    length=st.sampled_from(["auto", 8192]),
)
def test_what_the_choice_grants_the_arithmetic_does_not_refuse(
    model: str,
    memory_mib: int,
    count: int,
    share: float,
    batched_tokens: int,
    cache_type: str,
    length: str | int,
) -> None:
    """Weights, largest picture and overhead are one fact, also where they only just fit."""
    engine = EngineSettings(
        model=model,
        tensor_parallel_size=count,
        gpu_memory_utilization=share,
        max_num_batched_tokens=batched_tokens,
        max_image_pixels=min(batched_tokens, 8192) * 1024,
        max_video_pixels=min(batched_tokens, 8192) * 2048,
        kv_cache_dtype=cache_type,
        max_model_len=length,
    )
    shape, memory_bytes = PUBLISHED[model], memory_mib * 2**20
    here = gpu(memory_mib / 1024, memory_mib / 1024)
    refused = obstacle(here, shape.weight_bytes, arithmetic.layout(engine, shape))
    target = contradictions.Target(count, memory_bytes, here.compute_capability)
    problems = contradictions.check(Settings(engine=engine), entry_for(model), shape, target)
    assert refused or problems == []


def test_a_gpu_of_14_gib_is_refused_for_its_memory() -> None:
    """The Ada GPU that holds the FP8 weights but no picture beside them gets the GPU's sentence."""
    settings = profile.settle(None, {}, gpu(14.3, compute_capability=(8, 9)))[0].settings.engine
    here = machine(gpu(14.3, compute_capability=(8, 9)))
    with pytest.raises(StartError, match=r"gives vLLM 13\.2 GiB of its 14\.3 GiB"):
        choose_model(here, settings.model, layout=arithmetic.layout(settings))


def test_the_choice_needs_the_standard_library_only() -> None:
    """The set-up asks it what to install before anything is."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import serving.engine.choice"
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-I", "-S", "-c", script, root], check=True, timeout=60)


@pytest.mark.parametrize("size_gib", [24, 40, 48, 80, 141, 180])
def test_auto_serves_the_real_model_where_it_fits(size_gib: int) -> None:
    """Every GPU from 24 GiB up holds weights, a context of 8,192 tokens and the overhead."""
    choice = choose_model(machine(gpu(size_gib)), "auto")
    assert choice.model == THINKING
    assert choice.gpus[0].memory_bytes == size_gib * GIB


HOLDER = Holder(4711, "python3", 30 * GIB)


@pytest.mark.parametrize(
    ("here", "said"),
    [
        pytest.param(machine(), "shows no NVIDIA GPU", id="no GPU"),
        pytest.param(machine(problem="nvidia-smi failed: x"), "nvidia-smi failed", id="no answer"),
        pytest.param(machine(gpu(16)), "16.0 GiB", id="too little memory"),
        pytest.param(machine(gpu(80, driver="550.54.15")), "550.54.15", id="driver too old"),
        pytest.param(machine(gpu(48, compute_capability=(7, 5))), "7.5", id="no bfloat16"),
        pytest.param(machine(gpu(80, 50, holders=(HOLDER,))), "process 4711", id="held memory"),
        pytest.param(machine(gpu(80, 50)), "does not show", id="held by a hidden process"),
    ],
)
def test_auto_falls_back_to_the_tiny_model_and_says_why(here: Machine, said: str) -> None:
    """Each reason not to serve the real model is one sentence with the number that decided."""
    choice = choose_model(here, "auto")
    assert choice.model == "tiny"
    assert said in choice.reason


def test_the_second_gpu_serves_where_the_first_is_busy() -> None:
    """A busy first GPU does not hide a free second one, and the choice names the one to use."""
    choice = choose_model(machine(gpu(80, 50), gpu(80, index=1)), "auto")
    assert [g.index for g in choice.gpus] == [1]


def test_the_profiles_checkpoint_is_taken_for_auto() -> None:
    """A GPU of 16 GiB holds the FP8 checkpoint where its profile names it."""
    ada = gpu(16, compute_capability=(8, 9))
    engine = profile.settle(None, {}, ada)[0].settings.engine
    layout = arithmetic.layout(engine)
    choice = choose_model(machine(ada), "auto", checkpoint=engine.model, layout=layout)
    assert choice.model == f"{THINKING}-FP8"


def test_two_gpus_share_what_one_cannot_hold() -> None:
    """Spread over two GPUs the weights halve, and both GPUs are named."""
    here = machine(gpu(16), gpu(16, index=1))
    assert choose_model(here, "auto").model == "tiny"
    assert len(choose_model(here, "auto", layout=Layout(gpu_count=2)).gpus) == 2


def test_a_smaller_share_lives_beside_another_process() -> None:
    """With half of the memory left to others, a holder of a third is no obstacle."""
    here = machine(gpu(80, 50, holders=(HOLDER,)))
    assert choose_model(here, "auto", layout=Layout(1, 0.5)).model == THINKING


@pytest.mark.parametrize(
    "here",
    [
        pytest.param(machine(gpu(16)), id="GPU too small"),
        pytest.param(machine(memory_gib=8), id="no GPU and little memory"),
        pytest.param(machine(memory_gib=512), id="no GPU and much memory"),
        pytest.param(machine(gpu(80), architecture="aarch64"), id="no CUDA engine"),
        pytest.param(
            machine(memory_gib=64, problem="nvidia-smi failed: x"), id="GPU not answering"
        ),
    ],
)
def test_a_model_asked_for_by_name_is_refused_where_it_does_not_fit(here: Machine) -> None:
    """What was asked for is never swapped for something else in silence."""
    with pytest.raises(StartError, match=THINKING) as refusal:
        choose_model(here, THINKING)
    assert "MODEL=tiny" in refusal.value.next_step


def test_unknown_sizes_are_left_to_the_engine() -> None:
    """A repository nobody measured is served as asked, on a GPU that the engine can use."""
    here = machine(gpu(80, driver="470.1"), gpu(80, index=1))
    choice = choose_model(here, "someone/else")
    assert (choice.model, [g.index for g in choice.gpus]) == ("someone/else", [1])


@pytest.mark.parametrize("asked", ["tiny", "auto"])
@pytest.mark.parametrize(
    ("here", "indices"),
    [
        pytest.param(machine(memory_gib=1), [], id="no GPU"),
        pytest.param(machine(gpu(12, 4), gpu(12, 8, index=1)), [1], id="the freest"),
        pytest.param(
            machine(gpu(12, driver="535.1"), gpu(12, 3, index=1)), [1], id="not the outdated"
        ),
        pytest.param(machine(gpu(80, driver="535.1")), [], id="only an outdated one"),
        pytest.param(machine(gpu(12), architecture="aarch64"), [], id="no CUDA engine"),
    ],
)
def test_the_tiny_model_takes_a_gpu_that_can(here: Machine, asked: str, indices: list[int]) -> None:
    """Asked for or fallen back to, it runs where vLLM starts."""
    choice = choose_model(here, asked)
    assert (choice.model, [g.index for g in choice.gpus]) == ("tiny", indices)


@pytest.mark.parametrize("asked", ["tiny", "auto"])
@pytest.mark.parametrize(
    "held",
    [
        pytest.param(gpu(141, 6, holders=(HOLDER,)), id="a twentieth is not free"),
        pytest.param(gpu(24, 1.5, holders=(HOLDER,)), id="no room for its KV cache"),
    ],
)
def test_a_full_gpu_is_said_with_its_holder_even_for_the_tiny_model(held: Gpu, asked: str) -> None:
    """vLLM would refuse after half a minute; here the process is named at once."""
    with pytest.raises(StartError, match="process 4711") as refusal:
        choose_model(machine(held), asked)
    assert "End it" in refusal.value.next_step


def test_the_tiny_models_share_is_its_profiles() -> None:
    """What must be free is what the settings let vLLM take."""
    assert profile.load("cpu").engine["gpu_memory_utilization"] == TINY_SHARE


@pytest.mark.parametrize(
    ("here", "cuda"),
    [
        pytest.param(machine(), False, id="no GPU"),
        pytest.param(machine(gpu(80, driver="470.1")), False, id="driver too old"),
        pytest.param(machine(gpu(80, 1)), True, id="busy now, free later"),
        pytest.param(machine(gpu(80), architecture="aarch64"), False, id="pinned for x86-64"),
    ],
)
def test_the_cuda_engine_is_installed_where_it_could_run(here: Machine, cuda: bool) -> None:
    """What may change in a minute does not decide what is installed."""
    assert takes_cuda(here) is cuda
