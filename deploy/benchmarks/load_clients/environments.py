"""Environments of the load clients: each has pins of its own, and is made when first asked for."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy import setup
from deploy.benchmarks.load_clients.clients import ROOT, Client

REQUIREMENTS = ROOT / "deploy" / "requirements" / "peers"
FOLDER = ROOT / ".venv" / "peers"
# The one package whose wheel for CPU not every index has.
FROM_CPU_INDEX = "+cpu"


def program(requirements: str, name: str) -> Path:
    """Return where a program of an environment stands."""
    return FOLDER / Path(requirements).stem / "bin" / name


def is_ready(requirements: str) -> bool:
    """Tell whether the environment is there as its file stands now."""
    stamp = _stamp(requirements)
    return stamp.exists() and stamp.read_text() == _digest(requirements)


def make_missing(clients: Sequence[Client]) -> None:
    """Make the environments of some clients where they are not there; says so."""
    for client in clients:
        if client.environment and not is_ready(client.environment):
            sys.stdout.write(f"Setting up {client.name} {client.version}.\n")
            make(client.environment)


def make(requirements: str) -> None:
    """Make the environment anew; raises subprocess.CalledProcessError."""
    folder = FOLDER / Path(requirements).stem
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    python, path = str(folder / "bin" / "python"), str(REQUIREMENTS / requirements)
    if FROM_CPU_INDEX in Path(path).read_text() and not setup.pip_offers_cpu_torch():
        _run([python, "-m", "pip", "install", "--quiet", "--no-input", setup.UV])
        uv = [str(folder / "bin" / "uv"), "pip", "install", "--python", python, "--quiet"]
        _run([*uv, "--no-cache", "--no-deps", "--torch-backend=cpu", "-r", path])
    else:
        pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-cache-dir"]
        _run([*pip, "--disable-pip-version-check", "--no-deps", "-r", path])
    _stamp(requirements).write_text(_digest(requirements))


def _stamp(requirements: str) -> Path:
    return FOLDER / Path(requirements).stem / "set-up"


def _digest(requirements: str) -> str:
    return hashlib.sha256((REQUIREMENTS / requirements).read_bytes()).hexdigest()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - from this file
