"""Sets up the project's virtual environment from the pinned requirement files, once.

Runs on any machine's own Python with nothing installed; a second call with nothing to do returns
at once. Only the clone's `.venv`, and `node_modules` beside the JavaScript clients, are written; no
question is asked and no rights are needed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "deploy" / "requirements"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "set-up.json"
# Exists while packages are installed: found at the start, it tells of a set-up that was killed.
# An environment apart begins anew by itself, and costs the others nothing.
UNFINISHED = VENV / "set-up.unfinished"
# Files whose pins are not the engine's: in environments named as they are, inside the one around.
APART = ("prove.txt", "chart.txt")
CHART_PROGRAMS = ROOT / "deploy" / "chart_programs.py"
# The programs of chart.txt are built for this architecture alone.
CHART_ARCHITECTURE = "x86_64"
NODE_CLIENTS = ROOT / "tests" / "clients-node"
NODE_LOCK = NODE_CLIENTS / "package-lock.json"
# npm empties the folder first, so that a stamp in it tells of a whole set-up.
NODE_STAMP = NODE_CLIENTS / "node_modules" / "set-up"
NODE_CACHE = VENV / "npm-cache"
NODE_SIZE = (16, 27)
DRIVER = Path("/proc/driver/nvidia/version")
CPU_TORCH = "2.13.0+cpu"
# Knows PyTorch's CPU index, which this repository names nowhere.
UV = "uv==0.13.8"
# MB to download and on disk, measured on x86-64 with Python 3.11; those of engine-cuda.txt on
# disk are estimated from the wheels.
SIZES = {
    "gateway.txt": (70, 225),
    "engine-cpu.txt": (665, 2620),
    "engine-cuda.txt": (3995, 8620),
    "dev.txt": (130, 505),
    "chart.txt": (130, 490),
    "prove.txt": (90, 390),
}


def main(arguments: list[str]) -> int:
    """Bring the environment to what a mode needs; returns the program's exit code."""
    parser = argparse.ArgumentParser(description="Set up .venv; a second call does nothing.")
    modes = ("engine", "dev", "check", "prove")
    parser.add_argument("mode", nargs="?", default="engine", choices=modes)
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    options = parser.parse_args(arguments)
    if os.name != "posix":
        return refuse("Linux is needed: use a Linux machine, a container or WSL.")
    if options.dry_run:
        return show(options.mode)
    with one_at_a_time():
        if not is_done(options.mode) and set_up(options.mode) != 0:
            return 1
        set_up_node_clients(options.mode)
    return 0


def is_done(mode: str) -> bool:
    """Tell from the stamp alone whether a mode's packages are there and nothing has changed."""
    stamp = read_stamp()
    files = stamp["modes"].get(mode)
    if not files or is_broken() or stamp["gpus"] != gpus():
        return False
    return missing_files(files, rebuild=False) == []


def show(mode: str) -> int:
    """Print what a set-up would run here."""
    files, refusal = choose_files(mode)
    if refusal:
        return refuse(refusal)
    rebuild = needs_rebuild(files)
    for command in venv_commands(rebuild):
        print_line(shlex.join(command))
    for name in missing_files(files, rebuild=rebuild):
        for command in install_commands(name):
            print_line(shlex.join(command))
    if command := node_command(files):
        print_line(shlex.join(command))
    return 0


def set_up(mode: str) -> int:
    """Install what is missing, announced by its size; returns the program's exit code."""
    files, refusal = choose_files(mode)
    if refusal:
        return refuse(refusal)
    rebuild = needs_rebuild(files)
    missing = missing_files(files, rebuild=rebuild)
    if missing and not has_room(missing):
        return 1
    if not all(run(command) for command in venv_commands(rebuild)):
        return refuse(
            "The virtual environment could not be made: install this Python's venv package "
            "(python3-venv on Debian), or set PYTHON to another Python."
        )
    for name in missing:
        if name not in APART:
            UNFINISHED.touch()
        done = all(run(command) for command in install_commands(name))
        UNFINISHED.unlink(missing_ok=True)
        if not done:
            return refuse(f"{name} could not be installed, for the reason above: try again then.")
        write_stamp({"files": {**read_stamp()["files"], name: digest(REQUIREMENTS / name)}})
    write_stamp({"modes": {**read_stamp()["modes"], mode: files}})
    return 0


def set_up_node_clients(mode: str) -> None:
    """Install the JavaScript clients; a failure is said and costs the tests that ask with them."""
    command = node_command(read_stamp()["modes"][mode])
    if not command:
        return
    download_mb, disk_mb = NODE_SIZE
    print_line(
        f"Setting up {NODE_STAMP.parent}: about {download_mb} MB to download, {disk_mb} MB on disk."
    )
    if run(command):
        NODE_STAMP.write_text(digest(NODE_LOCK))
    else:
        print_line("The JavaScript clients could not be installed: their tests will be skipped.")
    shutil.rmtree(NODE_CACHE, ignore_errors=True)


def choose_files(mode: str) -> tuple[list[str], str]:
    """Choose the requirement files of a mode on this machine, or say why there are none."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the system's Python may be any
        return [], "Python 3.11 to 3.14 is needed: install one of them and set PYTHON to it."
    sys.path.insert(0, str(ROOT))
    from serving.engine import choice, hardware  # noqa: PLC0415 - needs Python 3.11

    machine = hardware.detect()
    refusal = hardware.cpu_refusal(machine)
    if refusal and mode == "check":
        return ["gateway.txt", "dev.txt"], ""
    if refusal:
        return [], f"{refusal} `make check` runs here as it is."
    if why := choice.why_cpu(machine):
        print_line(f"{why} So the CPU engine is set up.")
    engine = "engine-cuda.txt" if choice.takes_cuda(machine) else "engine-cpu.txt"
    chart = ["chart.txt"] if machine.architecture == CHART_ARCHITECTURE else []
    tests = {"engine": [], "prove": ["dev.txt", *chart, "prove.txt"]}
    return [engine, *tests.get(mode, ["dev.txt", *chart])], ""


def is_broken() -> bool:
    """Tell whether there is no environment, or one cut off while it was made."""
    if not PYTHON.exists() or UNFINISHED.exists():
        return True
    return read_stamp()["python"] not in ("", interpreter())


def needs_rebuild(files: list[str]) -> bool:
    """Tell whether to begin anew: both engines install a package named vllm."""
    engines = {name for name in (*files, *read_stamp()["files"]) if name.startswith("engine-")}
    return is_broken() or len(engines) > 1


def missing_files(files: list[str], *, rebuild: bool) -> list[str]:
    """Return the requirement files that are not installed as they stand now."""
    installed = {} if rebuild else read_stamp()["files"]
    return [name for name in files if installed.get(name) != digest(REQUIREMENTS / name)]


def venv_commands(rebuild: bool) -> list[list[str]]:
    """Return the commands that make an empty environment where one is needed."""
    return [[sys.executable, "-m", "venv", "--clear", str(VENV)]] if rebuild else []


def install_commands(name: str) -> list[list[str]]:
    """Return the commands that install a requirement file; no cache outside the clone is used."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    pip = ["-m", "pip", "install", "--no-input", "--no-user", "--no-cache-dir"]
    pip += ["--disable-pip-version-check", *quiet, "--no-deps"]
    path = str(REQUIREMENTS / name)
    if name in APART:
        venv = VENV / Path(name).stem
        python = str(venv / "bin" / "python")
        unpack = [[python, str(CHART_PROGRAMS)]] if name == "chart.txt" else []
        make = [sys.executable, "-m", "venv", "--clear", str(venv)]
        return [make, [python, *pip, "-r", path], *unpack]
    pip = [str(PYTHON), *pip]
    if name != "engine-cpu.txt" or pip_offers_cpu_torch():
        return [[*pip, "-r", path]]
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--no-cache"]
    return [[*pip, UV], [*uv, *quiet, "--no-deps", "--torch-backend=cpu", "-r", path]]


def node_command(files: list[str]) -> list[str]:
    """Return the command that installs the JavaScript clients, empty where there is nothing to do.

    Their tests ask an engine, and Node.js is a package of the system: without either, none is run.
    """
    npm = shutil.which("npm")
    asks_engine = "dev.txt" in files and "gateway.txt" not in files
    if npm is None or not asks_engine or not NODE_LOCK.exists():
        return []
    if NODE_STAMP.exists() and NODE_STAMP.read_text() == digest(NODE_LOCK):
        return []
    command = [npm, "ci", "--prefix", str(NODE_CLIENTS), "--cache", str(NODE_CACHE)]
    # npm's own waits add up to more than a minute where there is no network.
    waits = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000"]
    return [*command, *waits, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def pip_offers_cpu_torch() -> bool:
    """Ask pip, as it is configured here, for the versions of torch; downloads nothing."""
    python = str(PYTHON) if PYTHON.exists() else sys.executable
    asked = subprocess.run(  # noqa: S603 - fixed arguments
        [python, "-m", "pip", "index", "versions", "torch", "--no-input"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in asked.stdout.splitlines() if line.startswith("Available versions:")]
    return any(CPU_TORCH in line.replace(",", " ").split() for line in lines)


def has_room(missing: list[str]) -> bool:
    """Announce what is fetched and where to, and tell whether the disk holds it."""
    download_mb = sum(SIZES[name][0] for name in missing)
    disk_mb = sum(SIZES[name][1] for name in missing)
    free_mb = shutil.disk_usage(ROOT).free // 10**6
    print_line(
        f"Setting up {VENV} from {', '.join(missing)}: about {download_mb} MB to download, "
        f"{disk_mb} MB on disk, {free_mb} MB free."
    )
    if free_mb < disk_mb:
        refuse(f"The disk of {ROOT} is too full: free {disk_mb - free_mb} MB and start again.")
    return free_mb >= disk_mb


def run(command: list[str]) -> bool:
    """Run a command, its output going where ours goes; tell whether it succeeded."""
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - from this file


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let a second set-up of this clone wait for the first and then find it done."""
    import fcntl  # noqa: PLC0415 - not everywhere

    folder = os.open(ROOT / "deploy", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def read_stamp() -> dict[str, Any]:
    """Return what is installed: files with their digests, modes with their files."""
    empty = {"python": "", "gpus": "", "files": {}, "modes": {}}
    try:
        return {**empty, **json.loads(STAMP.read_text())}
    except (OSError, ValueError):
        return empty


def write_stamp(change: dict[str, Any]) -> None:
    """Record a change of what is installed, at once or not at all."""
    facts = {"python": interpreter(), "gpus": gpus()}
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps({**read_stamp(), **facts, **change}, indent=1))
    draft.replace(STAMP)


def digest(path: Path) -> str:
    """Return a file's content as a hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def interpreter() -> str:
    """Return the program behind the environment's Python: another one finds no packages."""
    return str(PYTHON.resolve())


def gpus() -> str:
    """Return what the choice of an engine hangs on, without the time that asking a driver takes."""
    tool = shutil.which("nvidia-smi")
    # Comes with each driver, under WSL as well, where the file below does not exist.
    came = Path(tool).stat().st_mtime_ns if tool else 0
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        return f"{tool} {came} {shown} {DRIVER.read_text()}"
    except OSError:
        return f"{tool} {came} {shown}"


def print_line(line: str) -> None:
    """Say something on the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def refuse(sentence: str) -> int:
    """Say why this ends; returns the exit code for it."""
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
