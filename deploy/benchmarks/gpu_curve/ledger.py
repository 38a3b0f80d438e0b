"""What has been measured so far, in a folder that every call can be killed over.

`state.json` says of which machine and settings; a step is done when its file stands in `summaries/`
and never before. Each file is written beside its place and moved there. All that another machine
needs to go on are these two; `results/` holds the load tests' own folders.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from deploy.benchmarks.gpu_curve.plan import Step
from loadtests.result import Summary, read_summary
from serving.failure import NotDone

SCHEMA = 1


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all steps of one curve have in common; a difference makes it another curve."""

    commit: str
    clean: bool  # whether the sources are those of the commit
    vllm: str
    gpu: str
    driver: str | None
    profile: str
    model: str
    revision: str | None
    checkpoint: str | None  # digest of a folder's configuration and sizes
    synthetic: bool
    settings: str  # digest of the effective settings
    load_seconds: int
    schema: int = SCHEMA


class _State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    identity: Identity
    failures: dict[str, list[str]] = {}


def differences(before: Identity, now: Identity) -> list[str]:
    """Say in which points two curves differ."""
    fields = Identity.__struct_fields__
    pairs = ((name, getattr(before, name), getattr(now, name)) for name in fields)
    return [f"{name} was {was}, is {is_now}" for name, was, is_now in pairs if was != is_now]


class Ledger:
    """One curve's folder. Methods raise OSError."""

    def __init__(self, folder: Path, state: _State) -> None:
        self._folder = folder
        self._state = state

    @classmethod
    def open(cls, folder: Path, identity: Identity) -> "Ledger":
        """Go on where the folder stands, or begin; raises NotDone where it is another curve's."""
        path = folder / "state.json"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            ledger = cls(folder, _State(identity=identity))
            ledger._save()
            return ledger
        state = _read(path)
        if changed := differences(state.identity, identity):
            raise NotDone(
                f"{folder} holds steps of another curve: {'; '.join(changed)}.",
                "Begin anew with --restart, or keep it and give another --state.",
            )
        return cls(folder, state)

    @property
    def identity(self) -> Identity:
        """What is measured."""
        return self._state.identity

    @property
    def failures(self) -> dict[str, list[str]]:
        """Why steps failed, by their names."""
        return self._state.failures

    def done(self) -> set[str]:
        """Name the steps that are measured."""
        return {path.stem for path in self._summaries.glob("*.json")}

    def begin(self, step: Step) -> Path:
        """Return an empty folder for the step's load test; what a killed one left is gone."""
        folder = self._folder / "results" / step.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def finish(self, step: Step, summary: Summary) -> None:
        """Keep what a step showed."""
        self._summaries.mkdir(exist_ok=True)
        _write(self._summaries / f"{step.name}.json", summary)

    def fail(self, step: Step, reason: str) -> None:
        """Note why a step showed nothing."""
        self._state.failures.setdefault(step.name, []).append(reason)
        self._save()

    def summaries(self, plan: Iterable[Step]) -> list[Summary]:
        """Read what is done, in the plan's order."""
        done = self.done()
        return [
            read_summary(self._summaries / f"{step.name}.json")
            for step in plan
            if step.name in done
        ]

    @property
    def _summaries(self) -> Path:
        return self._folder / "summaries"

    def _save(self) -> None:
        _write(self._folder / "state.json", self._state)


def forget(folder: Path) -> None:
    """Remove a curve's steps, and nothing else that the folder may hold."""
    (folder / "state.json").unlink(missing_ok=True)
    for part in ("summaries", "results"):
        shutil.rmtree(folder / part, ignore_errors=True)


def _read(path: Path) -> _State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_State)
    except msgspec.DecodeError as error:
        raise NotDone(
            f"{path} is no state of a curve: {error}.", "Begin anew with --restart."
        ) from None


def _write(path: Path, value: Any) -> None:
    beside = path.with_suffix(".unfinished")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    beside.replace(path)
