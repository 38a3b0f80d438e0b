"""Engine options by hardware: one YAML file a GPU, each value with its reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from serving import settings
from serving.engine.hardware import Gpu
from serving.failure import StartError

FOLDER = Path(__file__).with_name("profiles")
CPU = "cpu"
GIB = 2**30
# Cards of one kind report memory that differs by a few percent, its larger variants by a sixth.
SAME_MEMORY = 0.05


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of GPU is best started with; memory 0 stands for no GPU."""

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    engine: Mapping[str, Any]
    reasons: Mapping[str, str]


def names() -> list[str]:
    """Return the names of all profiles."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Profile:
    """Read one profile; raises StartError for a name that has none."""
    if name not in names():
        raise StartError(
            f"engine.profile is {name}: there is no such profile.",
            f"Choose auto or one of {', '.join(names())}.",
        )
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    major, minor = document.get("compute_capability", (0, 0))
    options = document["engine"]
    return Profile(
        name=name,
        compute_capability=(major, minor),
        memory_bytes=int(document.get("memory_gib", 0) * GIB),
        engine=MappingProxyType({option: entry["value"] for option, entry in options.items()}),
        reasons=MappingProxyType({option: entry["reason"] for option, entry in options.items()}),
    )


def nearest(gpu: Gpu | None) -> tuple[Profile, bool]:
    """Return the profile for a GPU and whether it was written for that very kind.

    Compute capability decides first, then memory; no GPU takes the CPU's.
    """
    if gpu is None:
        return load(CPU), True
    profiles = [load(name) for name in names() if name != CPU]
    found = min(profiles, key=lambda profile: _distance(profile, gpu))
    generations, memory = _distance(found, gpu)
    return found, generations == 0 and memory <= SAME_MEMORY


def settle(
    config: Path | None, environ: Mapping[str, str], gpu: Gpu | None
) -> tuple[settings.Loaded, bool]:
    """Load the settings with the profile they ask for, or with the nearest to `gpu`.

    The tiny model takes the CPU's profile on any machine. The second value says whether the
    profile was asked for or fits the GPU exactly. `engine.profile` names it afterwards, and
    `engine.model` is no longer auto.
    """
    asked = settings.load(config, environ).settings.engine
    if asked.profile != "auto":
        chosen, exact = load(asked.profile), True
    elif asked.model == "tiny":
        chosen, exact = load(CPU), True
    else:
        chosen, exact = nearest(gpu)
    return settings.load(config, environ, chosen), exact


def _distance(profile: Profile, gpu: Gpu) -> tuple[int, float]:
    (major, minor), (gpu_major, gpu_minor) = profile.compute_capability, gpu.compute_capability
    generations = abs(10 * (major - gpu_major) + minor - gpu_minor)
    return generations, abs(math.log(profile.memory_bytes / max(1, gpu.memory_bytes)))
