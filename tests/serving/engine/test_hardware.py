"""The machine is read from what its own tools say, however little or badly they say it."""

import dataclasses
import os
import time
from pathlib import Path

import psutil
import pytest

from serving.engine import hardware
from serving.engine.hardware import MIB, Gpu, Holder, Machine

H200 = "GPU-6a1f, 0, 143771, 143155, 9.0, 580.95.05, NVIDIA H200"
L40S = "GPU-77c0, 1, 46068, 30000, 8.9, 580.95.05, NVIDIA L40S, 48GB"
TRAINER = "GPU-77c0, 4711, 15600, /usr/bin/python3, --train"


def install_nvidia_smi(folder: Path, script: str) -> None:
    """Put a program named nvidia-smi into `folder` that runs `script`."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def fake_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds the shell's own tools and whatever a test puts there first."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def answering(gpus: str, processes: str) -> str:
    return f"""case "$1" in
--query-gpu=*) cat <<'END'\n{gpus}\nEND\n;;
--query-compute-apps=*) cat <<'END'\n{processes}\nEND\n;;
*) exit 9;; esac"""


def test_gpus_are_read_with_their_holders(fake_path: Path) -> None:
    """Sizes, versions and the processes that hold memory come from nvidia-smi's two tables."""
    install_nvidia_smi(fake_path, answering(f"{H200}\n{L40S}", TRAINER))
    first, second = hardware.detect().gpus
    assert first == Gpu(
        0, "NVIDIA H200", 143771 * MIB, 143155 * MIB, (9, 0), "580.95.05", (), "GPU-6a1f"
    )
    assert second.name == "NVIDIA L40S, 48GB"
    assert second.holders == (Holder(4711, "/usr/bin/python3, --train", 15600 * MIB),)


def test_numbers_the_driver_does_not_tell_are_zero(fake_path: Path) -> None:
    """[N/A] for memory or for a process's share is no reason to fail."""
    gpu = "GPU-1, 0, [N/A], [N/A], 12.1, 580.82.09, NVIDIA GB10"
    install_nvidia_smi(fake_path, answering(gpu, "GPU-1, 99, [N/A], [Not Found]"))
    (found,) = hardware.detect().gpus
    assert (found.memory_bytes, found.compute_capability) == (0, (12, 1))
    assert found.holders == (Holder(99, "[Not Found]", 0),)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("echo couldn\\'t reach the driver; exit 9", "couldn't reach", id="no driver"),
        pytest.param("echo three, words, only", "not understood", id="another form"),
    ],
)
def test_a_failing_tool_is_told_and_does_not_stop(fake_path: Path, script: str, said: str) -> None:
    """A broken nvidia-smi leaves a machine without GPUs and the reason for it."""
    install_nvidia_smi(fake_path, script)
    machine = hardware.detect()
    assert machine.gpus == ()
    assert said in machine.gpu_problem


def test_a_machine_without_the_tool_has_no_gpu_and_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No nvidia-smi is the ordinary case of a laptop."""
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = hardware.detect()
    assert (machine.gpus, machine.gpu_problem) == ((), "")


def test_a_hanging_tool_is_cut_with_its_children(
    fake_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that never answers costs the limit, not the start, and leaves no process behind."""
    monkeypatch.setattr(hardware, "NVIDIA_SMI_TIMEOUT_SECONDS", 0.5)
    child = ["sleep", f"600.{os.getpid()}"]
    install_nvidia_smi(fake_path, f"{' '.join(child)} & wait")
    started = time.monotonic()
    machine = hardware.detect()
    assert "did not answer" in machine.gpu_problem
    while any(process.info["cmdline"] == child for process in psutil.process_iter(["cmdline"])):
        time.sleep(0.02)
    assert time.monotonic() - started < 300, "nothing waited for the child"


@pytest.mark.parametrize(
    ("variable", "indexes"),
    [
        pytest.param(None, [0, 1], id="unset"),
        pytest.param("1", [1], id="index"),
        pytest.param("1,0", [1, 0], id="order kept"),
        pytest.param("GPU-6a", [0], id="start of a uuid"),
        pytest.param("", [], id="none"),
        pytest.param("0,7,1", [0], id="cut at an unknown one"),
    ],
)
def test_cuda_visible_devices_hides_gpus(variable: str | None, indexes: list[int]) -> None:
    """The engine sees only what the variable names, so nothing else is promised."""
    gpus = hardware.parse_gpus(f"{H200}\n{L40S}", "")
    assert [gpu.index for gpu in hardware.visible(gpus, variable)] == indexes


@pytest.mark.parametrize(
    ("cpuinfo", "flag"),
    [
        pytest.param("processor\t: 0\nflags\t\t: fpu avx2 bmi2\n", "avx2", id="x86"),
        pytest.param("processor\t: 0\nFeatures\t: fp asimd bf16\n", "asimd", id="arm"),
    ],
)
def test_cpu_flags_are_read(cpuinfo: str, flag: str) -> None:
    """Both spellings of the instruction sets are known; other text gives none."""
    assert flag in hardware.cpu_flags(cpuinfo)
    assert hardware.cpu_flags("model name : x") == frozenset()


LAPTOP = Machine(
    system="Linux",
    architecture="x86_64",
    python=(3, 12),
    gpus=(),
    cpu_flags=frozenset({"avx2"}),
    memory_bytes=8 * 2**30,
    cores=2,
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({}, None, id="x86-64 with AVX2"),
        pytest.param({"architecture": "aarch64", "cpu_flags": frozenset()}, None, id="aarch64"),
        pytest.param({"python": (3, 11)}, None, id="oldest Python"),
        pytest.param({"python": (3, 14)}, None, id="newest Python"),
        pytest.param({"system": "Darwin", "architecture": "aarch64"}, "Darwin", id="macOS"),
        pytest.param({"cpu_flags": frozenset({"avx"})}, "AVX2", id="old CPU"),
        pytest.param({"architecture": "riscv64"}, "riscv64", id="another CPU"),
        pytest.param({"python": (3, 10)}, "3.10", id="Python too old"),
        pytest.param({"python": (3, 15)}, "3.15", id="Python too new"),
    ],
)
def test_unsupported_machines_are_named_in_one_sentence(
    change: dict[str, object], said: str | None
) -> None:
    """The CPU engine is refused exactly where it cannot run, and the sentence says what to do."""
    refusal = hardware.cpu_refusal(dataclasses.replace(LAPTOP, **change))
    if said is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert said in refusal
        assert refusal.endswith(".")


def test_this_machine_is_described() -> None:
    """What is detected here is plausible and is what the operating system says elsewhere."""
    machine = hardware.detect({})
    assert machine.cores >= 1
    assert machine.memory_bytes > 100 * MIB
    assert machine.system == os.uname().sysname
