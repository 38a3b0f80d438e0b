"""What a number needs beside it: commit, date, machine and versions."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COMMAND_SECONDS = 10


def surroundings() -> dict[str, Any]:
    """Describe where and when this program runs; unknown parts are None."""
    commit = _output("git", "rev-parse", "HEAD")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": commit,
        "git_clean": not _output("git", "status", "--porcelain") if commit else None,
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "gpu": _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        },
        "python": platform.python_version(),
        "locust": importlib.metadata.version("locust"),
    }


def _cpu() -> str:
    """Name the processor; where the kernel hides its name, the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _output(*command: str) -> str | None:
    """Return what a program prints on one or more lines, None where it is missing or fails."""
    try:
        done = subprocess.run(  # noqa: S603 - the callers' fixed commands
            command,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ", ".join(done.stdout.split("\n")).strip(", ") or None
