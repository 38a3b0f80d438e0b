"""Finds a model's weights, in a folder, in the model cache or on the hub, and fetches the latter.

Only what needs the hub imports its library, which takes half a second.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from serving import catalogue
from serving.engine import checkpoint
from serving.engine.choice import TINY
from serving.failure import StartError

TINY_FOLDER = Path(__file__).parents[1] / "tiny_model" / "checkpoint"
SHOWN_VARIABLES = ("HF_TOKEN", "HF_ENDPOINT", "HTTPS_PROXY")

# Called from several threads with the bytes fetched so far and the bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository; large ones are known by the SHA-256 of their content."""

    name: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the weights are or will be, and what has to be fetched first.

    Without a `commit` nothing has to be fetched and `folder` is what the engine loads.
    """

    model: str
    folder: Path
    weight_bytes: int = 0
    revision: str | None = None
    commit: str = ""
    files: tuple[HubFile, ...] = ()
    download_bytes: int = 0
    free_bytes: int = 0
    variables: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Say what a download costs before it starts; nothing where there is none."""
        if not self.commit:
            return ()
        return (
            f"download  {gb(self.download_bytes)} of {self.model}, commit {self.commit[:12]}",
            f"into      {self.folder} ({gb(self.free_bytes)} free)",
            f"set       {', '.join(self.variables) or 'none'} of {', '.join(SHOWN_VARIABLES)}",
        )


def resolve(
    model: str, revision: str | None, *, offline: bool, progress: Progress | None = None
) -> Path:
    """Return the folder that holds a model's complete weights, fetching them if need be."""
    return fetch(plan(model, revision, offline=offline), progress)


def plan(
    model: str,
    revision: str | None,
    *,
    offline: bool,
    environ: Mapping[str, str] = os.environ,
) -> Plan:
    """Find the weights, asking the hub only about what is neither a folder nor in the cache.

    Raises StartError for a missing or half-copied folder, a repository that cannot be read, no
    network and a disk that is too small.
    """
    if folder := local_folder(model):
        return Plan(model, folder, _complete_bytes(folder))
    from serving.engine import hub  # noqa: PLC0415 - see the module's docstring

    if snapshot := hub.cached(model, revision):
        return Plan(model, snapshot, checkpoint.weight_bytes(snapshot))
    if offline or environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise StartError(
            f"{model} is not complete in the model cache and downloads are switched off.",
            "Run `serving weights fetch` with HF_HUB_OFFLINE unset (in the chart offline: false), "
            "or set MODEL to a folder that holds the model.",
        )
    planned = hub.plan(model, revision, _set_variables(environ))
    if planned.download_bytes > planned.free_bytes:
        raise StartError(
            f"{model} needs {gb(planned.download_bytes)} more and the disk of {planned.folder} "
            f"has {gb(planned.free_bytes)} free.",
            "Free some, or set HF_HOME to a folder on a larger disk.",
        )
    return planned


def fetch(planned: Plan, progress: Progress | None = None) -> Path:
    """Bring what a plan lacks into the model cache and return the folder to load."""
    if not planned.commit:
        return planned.folder
    from serving.engine import hub  # noqa: PLC0415 - see the module's docstring

    folder = hub.fetch(planned, progress or (lambda _done_bytes, _total_bytes: None))
    _complete_bytes(folder)
    return folder


def local_folder(model: str) -> Path | None:
    """Return the folder that `model` means, or None where it means a repository on the hub."""
    if model in (TINY, catalogue.TINY):
        return TINY_FOLDER
    path = Path(model).expanduser()
    return path if path.is_dir() or model.startswith(("/", ".", "~")) else None


def gb(size_bytes: int) -> str:
    """Write a size in GB, or in MB where it is small, as disks and downloads are sold."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _complete_bytes(folder: Path) -> int:
    if not folder.is_dir():
        raise StartError(
            f"The model folder {folder} does not exist.",
            "Set MODEL to a folder that holds a model, to a Hugging Face id, or to tiny.",
        )
    if missing := checkpoint.missing_parts(folder):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StartError(
            f"The model folder {folder} is not complete; it lacks {', '.join(missing[:3])}{more}.",
            "Copy or download it again.",
        )
    return checkpoint.weight_bytes(folder)


def _set_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that steer a download; their values may be secret."""
    names = {name.upper() for name, value in environ.items() if value}
    return tuple(name for name in SHOWN_VARIABLES if name in names)
