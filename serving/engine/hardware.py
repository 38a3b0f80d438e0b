"""What this machine is (GPUs, CPU, memory) and whether the engine runs on it.

Only `detect` does I/O. The set-up imports this module before anything is installed.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20

NVIDIA_SMI_TIMEOUT_SECONDS = 10
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory of a GPU."""

    pid: int
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU as its driver describes it."""

    index: int
    name: str
    memory_bytes: int
    free_bytes: int
    compute_capability: tuple[int, int]
    driver: str
    holders: tuple[Holder, ...] = ()
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the engine would run on; `gpu_problem` says why the GPUs could not be asked."""

    system: str
    architecture: str
    python: tuple[int, int]
    gpus: tuple[Gpu, ...]
    cpu_flags: frozenset[str]
    memory_bytes: int
    cores: int
    gpu_problem: str = ""


def cpu_refusal(machine: Machine) -> str | None:
    """Say in one sentence, next step included, why the CPU engine cannot run here, or None."""
    if machine.system != "Linux":
        return (
            f"The CPU engine runs on Linux only and this is {machine.system}: "
            "use a Linux machine, virtual machine or container."
        )
    if not OLDEST_PYTHON <= machine.python <= NEWEST_PYTHON:
        found = ".".join(map(str, machine.python))
        return (
            f"The engine runs on Python 3.11 to 3.14 and this is {found}: "
            "install one of them and set PYTHON to it."
        )
    if machine.architecture not in ("x86_64", "aarch64"):
        return (
            f"The CPU engine runs on x86-64 and aarch64 and this is {machine.architecture}: "
            "use a machine of one of the two."
        )
    if machine.architecture == "x86_64" and "avx2" not in machine.cpu_flags:
        return (
            "The CPU engine needs AVX2 instructions and this CPU has none: "
            "use a CPU from 2013 or later, or let the virtual machine pass its flags through."
        )
    return None


def detect(environ: Mapping[str, str] = os.environ) -> Machine:
    """Ask the machine what it is; never waits longer than nvidia-smi is allowed to."""
    gpus, problem = _detect_gpus()
    return Machine(
        system=platform.system(),
        architecture={"AMD64": "x86_64", "arm64": "aarch64"}.get(
            platform.machine(), platform.machine()
        ),
        python=sys.version_info[:2],
        gpus=visible(gpus, environ.get("CUDA_VISIBLE_DEVICES")),
        cpu_flags=cpu_flags(_read(Path("/proc/cpuinfo"))),
        memory_bytes=_memory_bytes(),
        cores=_cores(),
        gpu_problem=problem,
    )


def parse_gpus(gpu_lines: str, process_lines: str) -> tuple[Gpu, ...]:
    """Read nvidia-smi's two CSV answers (no header, no units); sizes there are MiB."""
    holders: dict[str, list[Holder]] = {}
    for line in process_lines.splitlines():
        uuid, pid, used, name = line.split(", ", 3)
        holders.setdefault(uuid, []).append(Holder(_number(pid), name, _number(used) * MIB))
    gpus = []
    for line in gpu_lines.splitlines():
        # The name stands last: it is the only field that may hold a comma.
        uuid, index, total, free, capability, driver, name = line.split(", ", 6)
        major, _, minor = capability.partition(".")
        gpus.append(
            Gpu(
                index=_number(index),
                name=name,
                memory_bytes=_number(total) * MIB,
                free_bytes=_number(free) * MIB,
                compute_capability=(_number(major), _number(minor)),
                driver=driver,
                holders=tuple(holders.get(uuid, ())),
                uuid=uuid,
            )
        )
    return tuple(gpus)


def visible(gpus: tuple[Gpu, ...], cuda_visible_devices: str | None) -> tuple[Gpu, ...]:
    """Keep the GPUs that CUDA_VISIBLE_DEVICES names by index or uuid, in its order."""
    if cuda_visible_devices is None:
        return gpus
    chosen = []
    for wanted in cuda_visible_devices.split(","):
        found = [
            gpu
            for gpu in gpus
            if wanted == str(gpu.index) or (wanted and gpu.uuid.startswith(wanted))
        ]
        if len(found) != 1:
            break  # CUDA, too, stops at the first name it does not know
        chosen += found
    return tuple(chosen)


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Read the instruction sets of the first CPU in /proc/cpuinfo (x86 and Arm spellings)."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _detect_gpus() -> tuple[tuple[Gpu, ...], str]:
    fields = "gpu_uuid,index,memory.total,memory.free,compute_cap,driver_version,name"
    try:
        gpu_lines = _nvidia_smi(f"--query-gpu={fields}")
        process_lines = _nvidia_smi("--query-compute-apps=gpu_uuid,pid,used_memory,process_name")
    except FileNotFoundError:
        return (), ""
    except subprocess.TimeoutExpired:
        return (), f"nvidia-smi did not answer in {NVIDIA_SMI_TIMEOUT_SECONDS} seconds."
    except (OSError, subprocess.CalledProcessError) as error:
        said = " ".join((getattr(error, "stdout", None) or str(error)).split())
        return (), f"nvidia-smi failed: {said[:200]}"
    try:
        return parse_gpus(gpu_lines, process_lines), ""
    except ValueError:
        return (), "nvidia-smi answered in a form that is not understood."


def _nvidia_smi(query: str) -> str:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    process = subprocess.Popen(  # noqa: S603 - fixed arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=NVIDIA_SMI_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        # One that hangs inside the driver outlives even this signal, so waiting has an end, too.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said)
    return said


def _number(text: str) -> int:
    """Read a number; nvidia-smi writes [N/A] where the driver does not tell."""
    return 0 if text.startswith("[") else int(text)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _memory_bytes() -> int:
    """Give the memory this process may use: the machine's, or its control group's if less."""
    if not hasattr(os, "sysconf"):
        return 0
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(Path("/sys/fs/cgroup/memory.max")).strip()
    return min(machine_bytes, int(limit)) if limit.isdigit() else machine_bytes


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
