"""Which model a machine can hold, and why not a larger one; pure."""

from dataclasses import dataclass

from serving.catalogue import THINKING
from serving.engine.hardware import Gpu, Machine
from serving.engine.shape import PUBLISHED, QWEN3_VL_8B, overhead_bytes, readable
from serving.failure import StartError

TINY = "tiny"

# PyTorch's CUDA 13 wheels run on drivers of this major version or newer.
OLDEST_DRIVER = 580
# bfloat16 arithmetic came with Ampere.
OLDEST_COMPUTE_CAPABILITY = (8, 0)

# The CUDA engine's packages are pinned for this architecture alone.
CUDA_ARCHITECTURE = "x86_64"
SMALLEST_CONTEXT = 8192
# What the cpu profile lets vLLM take of a GPU for the tiny model; vLLM refuses to start where less
# is free. On a small GPU its KV cache of 1 GiB and CUDA's own context are more than that share.
TINY_SHARE = 0.05
TINY_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Choice:
    """The model to serve, one sentence why, and the GPUs that hold it."""

    model: str
    reason: str
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model is laid over GPUs, and what it takes of them beside its weights."""

    gpu_count: int = 1
    # vLLM's default; it refuses to start where less than this share of the GPU is free.
    gpu_memory_utilization: float = 0.92
    # The smallest KV cache that is of use, here with 2 bytes a value, shared by all GPUs.
    kv_cache_bytes: int = SMALLEST_CONTEXT * QWEN3_VL_8B.kv_values_per_token * 2
    overhead_bytes: int = overhead_bytes(8192)

    def bytes_per_gpu(self, weight_bytes: int) -> int:
        """Weights and a smallest KV cache, shared out, and the overhead that every GPU has."""
        shared = weight_bytes + self.kv_cache_bytes
        return -(-shared // self.gpu_count) + self.overhead_bytes


ONE_GPU = Layout()


def choose_model(
    machine: Machine, requested: str, *, checkpoint: str = THINKING, layout: Layout = ONE_GPU
) -> Choice:
    """Choose what to serve; `checkpoint` is what "auto" means on this machine's GPU profile.

    Raises StartError where a model asked for by name does not fit, or the tiny one on a GPU.
    """
    usable = usable_gpus(machine)
    if requested == TINY:
        return _tiny("The tiny model was asked for.", usable)
    model = checkpoint if requested == "auto" else requested
    shape = PUBLISHED.get(model)
    if shape is None:
        reason = "It was asked for; its size is not known before the start."
        return Choice(model, reason, usable[: layout.gpu_count])
    free = [gpu for gpu in usable if obstacle(gpu, shape.weight_bytes, layout) is None]
    if len(free) >= layout.gpu_count:
        chosen = tuple(free[: layout.gpu_count])
        return Choice(model, f"{', '.join(map(_name, chosen))} can hold it.", chosen)
    reason = _why_not(machine, shape.weight_bytes, layout)
    if requested == "auto":
        return _tiny(f"{reason} So the tiny model is served.", usable)
    raise StartError(
        f"{model} cannot be served here: {reason}",
        "Change that, or serve the tiny model with MODEL=tiny.",
    )


def usable_gpus(machine: Machine) -> tuple[Gpu, ...]:
    """Return the GPUs that the CUDA engine can use, free or not."""
    if machine.architecture != CUDA_ARCHITECTURE:
        return ()
    return tuple(gpu for gpu in machine.gpus if cuda_refusal(gpu) is None)


def obstacle(gpu: Gpu, weight_bytes: int, layout: Layout = ONE_GPU) -> str | None:
    """Say in one sentence why `gpu` cannot take its part of a model, or None where it can."""
    if outdated := cuda_refusal(gpu):
        return outdated
    usable_bytes = int(gpu.memory_bytes * layout.gpu_memory_utilization)
    needed_bytes = layout.bytes_per_gpu(weight_bytes)
    if needed_bytes > usable_bytes:
        return (
            f"{_name(gpu)} gives vLLM {readable(usable_bytes)} of its "
            f"{readable(gpu.memory_bytes)}; weights, the smallest KV cache and overhead take "
            f"{readable(needed_bytes)}."
        )
    if gpu.free_bytes < usable_bytes:
        return _held(gpu, usable_bytes)
    return None


def cuda_refusal(gpu: Gpu) -> str | None:
    """Say in one sentence why the CUDA engine cannot use `gpu` at all, or None where it can."""
    driver_major = gpu.driver.split(".", maxsplit=1)[0]
    if driver_major.isdigit() and int(driver_major) < OLDEST_DRIVER:
        return f"{_name(gpu)} has driver {gpu.driver}; CUDA 13 needs {OLDEST_DRIVER} or newer."
    if gpu.compute_capability < OLDEST_COMPUTE_CAPABILITY:
        major, minor = gpu.compute_capability
        return f"{_name(gpu)} has compute capability {major}.{minor}; bfloat16 needs 8.0 or newer."
    return None


def takes_cuda(machine: Machine) -> bool:
    """Tell whether the engine to install here is the CUDA one."""
    return bool(usable_gpus(machine))


def why_cpu(machine: Machine) -> str | None:
    """Say in one sentence why none of the GPUs found is used, or None where there is no such."""
    if not machine.gpus or takes_cuda(machine):
        return None
    if machine.architecture != CUDA_ARCHITECTURE:
        return f"The CUDA engine is pinned for x86-64 and this is {machine.architecture}."
    return cuda_refusal(machine.gpus[0])


def _why_not(machine: Machine, weight_bytes: int, layout: Layout) -> str:
    if refusal := machine.gpu_problem or why_cpu(machine):
        return refusal
    if len(machine.gpus) < layout.gpu_count:
        found = len(machine.gpus) or "no"
        wanted = "one" if layout.gpu_count == 1 else str(layout.gpu_count)
        return f"This machine shows {found} NVIDIA GPU where {wanted} is needed."
    return next(filter(None, (obstacle(gpu, weight_bytes, layout) for gpu in machine.gpus)))


def _tiny(reason: str, usable: tuple[Gpu, ...]) -> Choice:
    """Choose the tiny model and the freest GPU for it, none where none is usable."""
    if not usable:
        return Choice(TINY, reason)
    gpu = max(usable, key=lambda gpu: gpu.free_bytes)
    wanted_bytes = max(TINY_BYTES, int(gpu.memory_bytes * TINY_SHARE))
    if gpu.free_bytes < wanted_bytes:
        raise StartError(
            f"The tiny model cannot be served here: {_held(gpu, wanted_bytes)}",
            "End it, or wait until it has ended: no usable GPU has more memory free.",
        )
    return Choice(TINY, reason, (gpu,))


def _name(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"


def _held(gpu: Gpu, wanted_bytes: int) -> str:
    named = [
        f"process {holder.pid} ({holder.name}, {readable(holder.bytes)})" for holder in gpu.holders
    ]
    holders = ", ".join(named) or "a process that nvidia-smi does not show from here"
    return (
        f"{_name(gpu)} has {readable(gpu.free_bytes)} free where vLLM wants "
        f"{readable(wanted_bytes)}: memory is held by {holders}."
    )
