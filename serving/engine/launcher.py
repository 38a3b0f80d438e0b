"""Starts the engine: checks the settings, finds the weights, takes the socket, becomes vLLM."""

import importlib.util
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from serving.catalogue import entry_for
from serving.engine import arithmetic, checkpoint, contradictions, profile, socket, weights
from serving.engine.arithmetic import describe as describe_memory
from serving.engine.arithmetic import read_shape
from serving.engine.command import engine_command, engine_environment
from serving.engine.container import clear_shared_memory
from serving.engine.contradictions import Target
from serving.engine.hardware import Gpu, detect
from serving.failure import StartError
from serving.options import EngineSettings, Settings
from serving.settings import PREFIX

# The entry point that works in vLLM's CUDA and CPU builds; the `vllm` command fails in the latter.
ENTRY = "vllm.entrypoints.launchers.api_server.entry"
SHIMS = Path(__file__).with_name("shims")
# A key here would lock the gateway out of its own engine.
ENGINE_KEY_VARIABLE = "VLLM_API_KEY"


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a start consists of, and the arithmetic behind it for a person to read."""

    engine: EngineSettings
    argv: list[str]
    environment: dict[str, str]
    arithmetic: list[str]

    @property
    def command(self) -> list[str]:
        """The program and its arguments; -P keeps the working folder out of its imports."""
        return [sys.executable, "-P", "-m", ENTRY, *self.argv]


def run(settings: Settings, *, dry_run: bool) -> int:
    """Become the engine, or print what that would mean; returns only from a dry run.

    The settings come from `profile.settle`. Raises StartError for whatever stands in the way.
    """
    gpus = detect().gpus
    if dry_run:
        sys.stdout.write(describe(prepare(settings, gpus, _folder_without_download(settings))))
        return 0
    _require_hardware(settings.engine, gpus)
    if arithmetic.known_shape(settings.engine.model):
        # A published checkpoint's contradictions are said before its download.
        prepare(settings, gpus, None)
    folder = weights.resolve(settings.engine.model, settings.engine.revision, offline=False)
    return start(prepare(settings, gpus, folder))


def prepare(settings: Settings, gpus: Sequence[Gpu], folder: Path | None) -> Launch:
    """Turn settings into a start with the weights in `folder`, or of a published checkpoint.

    Raises StartError with every contradiction found.
    """
    engine = settings.engine
    entry = entry_for(engine.model)
    if folder:
        entry = replace(entry, thinks=checkpoint.opens_thought(folder))
    shape = read_shape(folder) if folder else arithmetic.known_shape(engine.model)
    if shape is None:
        raise StartError(
            f"The shape of {engine.model} is not known before its download.",
            "Set MODEL to a folder that holds it.",
        )
    target = _target(engine, gpus)
    if problems := contradictions.check(settings, entry, shape, target):
        raise _together(problems)
    if folder:
        engine = engine.model_copy(update={"model": str(folder.absolute()), "revision": None})
    return Launch(
        engine=engine,
        argv=engine_command(engine, entry),
        environment=engine_environment(engine)
        | {"PYTHONPATH": with_shims(os.environ.get("PYTHONPATH"))},
        arithmetic=describe_memory(engine, shape, target.memory_bytes),
    )


def start(launch: Launch) -> NoReturn:
    """Take the engine's address and replace this process by vLLM, which gets the signals itself."""
    if importlib.util.find_spec("vllm") is None:
        raise StartError(
            "vLLM is not installed in this Python environment.",
            "Run make serve, which sets up what is missing.",
        )
    address = socket.parse(launch.engine.listen)
    if isinstance(address, Path):
        os.set_inheritable(socket.take(address), True)  # vLLM goes on holding it
    else:
        socket.require_free(*address)
    clear_shared_memory()
    sys.stdout.flush()
    sys.stderr.flush()
    program, *_ = launch.command
    os.execve(program, launch.command, inherited(os.environ) | launch.environment)  # noqa: S606 - no shell is meant


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the engine may see of this process's environment: no secrets of the gateway."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(PREFIX) and name != ENGINE_KEY_VARIABLE
    }


def with_shims(search_path: str | None) -> str:
    """Return a PYTHONPATH with the shims in front of the caller's."""
    return os.pathsep.join(filter(None, (str(SHIMS), search_path)))


def describe(launch: Launch) -> str:
    """Write a start as a command that can be pasted, one flag a line, and its arithmetic."""
    lines = ["env", *(f"{name}={value}" for name, value in launch.environment.items())]
    lines.append(shlex.join(launch.command[:4]))
    for word in launch.argv:
        if word.startswith("--"):
            lines.append(word)
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(lines) + "\n\n" + "\n".join(launch.arithmetic) + "\n"


def _target(engine: EngineSettings, gpus: Sequence[Gpu]) -> Target:
    """Describe the GPUs found, or those that the profile was written for."""
    if gpus:
        return Target(len(gpus), gpus[0].memory_bytes, gpus[0].compute_capability)
    meant = profile.load(engine.profile)
    count = engine.tensor_parallel_size if meant.memory_bytes else 0
    return Target(count, meant.memory_bytes, meant.compute_capability)


def _require_hardware(engine: EngineSettings, gpus: Sequence[Gpu]) -> None:
    if engine.profile != profile.CPU and not gpus:
        raise StartError(
            f"engine.profile is {engine.profile} and this machine shows no NVIDIA GPU.",
            "Run it on one, look at the plan with --dry-run, or set PROFILE=cpu.",
        )


def _folder_without_download(settings: Settings) -> Path | None:
    model = settings.engine.model
    folder = weights.local_folder(model)
    if folder is None and arithmetic.known_shape(model) is None:
        return weights.plan(model, settings.engine.revision, offline=True).folder
    return folder


def _together(problems: Sequence[StartError]) -> StartError:
    if len(problems) == 1:
        return problems[0]
    said = "".join(f"\n- {problem}" for problem in problems)
    return StartError(
        f"The settings contradict each other:{said}\n", "Change these and start again."
    )
