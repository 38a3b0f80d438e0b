"""What is promised to users: the files that load tests are judged by, as far as a plan can tell."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import yaml

from serving.failure import NotDone
from serving.planner.model import TIMES, Prediction

SPEED: Final = "stream_tokens_per_second"
# What the load tests judge, too, and a plan does not foresee.
UNFORESEEN: Final = (
    "thinking", "answer_tpot", "picture_ttft", SPEED, "answered", "good", "right",
    "requests_per_second", "images_per_second", "output_tokens_per_second",
)  # fmt: skip
# Half of all streams are at least as fast as the median time per token says.
MEDIAN: Final = 50


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    metric: str
    percentile: Annotated[float, msgspec.Meta(gt=0, lt=100)] | None = None
    at_most_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    at_least: Annotated[float, msgspec.Meta(gt=0)] | None = None
    kinds: list[str] = []
    reason: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    objectives: list[_Entry]
    about: str = ""
    name: str = ""  # as the load tests' results repeat them


@dataclass(frozen=True, slots=True)
class Objective:
    """A percentile of a time that may not exceed a limit."""

    time: str
    percentile: str  # such as "p95"
    limit_seconds: float

    def __str__(self) -> str:
        return f"{self.time} {self.percentile} <= {self.limit_seconds:g} s"

    def seconds(self, prediction: Prediction) -> float | None:
        """Return what is predicted; None where the steps do not tell."""
        return prediction.quantile.get((self.time, self.percentile))


@dataclass(frozen=True, slots=True)
class Objectives:
    """Those that a plan is made for, and the names of those that it cannot foresee."""

    source: str
    judged: tuple[Objective, ...]
    unjudged: tuple[str, ...] = ()


def read_objectives(path: Path) -> Objectives:
    """Read a file of objectives; raises NotDone where it cannot be read or holds none."""
    try:
        return objectives_of(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise NotDone(
            f"--objectives {path} cannot be read: {error.strerror}.",
            "Give a file such as loadtests/slo/default.yaml.",
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        reason = str(error).split("\n", 1)[0]
        raise NotDone(
            f"--objectives {path} is refused: {reason}.",
            "loadtests/README.md lists what it may hold.",
        ) from None


def objectives_of(document: Any, source: str) -> Objectives:
    """Take objectives from a file's content; raises msgspec.ValidationError."""
    entries = msgspec.convert(document, _File).objectives
    found = [(_objective(entry), entry.metric) for entry in entries]
    return Objectives(
        source,
        tuple(objective for objective, _ in found if objective is not None),
        tuple(metric for objective, metric in found if objective is None),
    )


def _objective(entry: _Entry) -> Objective | None:
    _check(entry)
    if entry.percentile is None or entry.kinds:  # a plan is for all kinds together
        return None
    name = f"p{entry.percentile:g}"
    if entry.metric in TIMES and entry.at_most_seconds is not None:
        return Objective(entry.metric, name, entry.at_most_seconds)
    if entry.metric == SPEED and entry.percentile == MEDIAN and entry.at_least is not None:
        return Objective("tpot", name, 1 / entry.at_least)
    return None


def _check(entry: _Entry) -> None:
    """Refuse what would count for nothing; raises msgspec.ValidationError."""
    known = (*TIMES, *UNFORESEEN)
    if entry.metric not in known:
        near = difflib.get_close_matches(entry.metric, known, n=1, cutoff=0)[0]
        raise msgspec.ValidationError(f"there is no metric {entry.metric!r}, the nearest is {near}")
    if entry.metric in TIMES and None in (entry.percentile, entry.at_most_seconds):
        raise msgspec.ValidationError(f"{entry.metric} needs percentile and at_most_seconds")
