"""What is asked of an endpoint: objectives, read from a file of `slo/` or from one of your own."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import yaml

from loadtests.failure import LoadError

FOLDER = Path(__file__).parents[1] / "slo"
ALL = "all"
MOST_SECONDS = 86_400


class Form(Enum):
    """What kind of number a metric is."""

    TIME = auto()
    SPEED = auto()
    SHARE = auto()
    RATE = auto()

    @property
    def limit_key(self) -> str:
        """Return how its limit is called in the file."""
        return "at_most_seconds" if self is Form.TIME else "at_least"

    @property
    def has_percentile(self) -> bool:
        """Return whether each request has a value of its own."""
        return self in {Form.TIME, Form.SPEED}


METRICS: Mapping[str, Form] = {
    "ttft": Form.TIME,
    "ttfat": Form.TIME,
    "thinking": Form.TIME,
    "tpot": Form.TIME,
    "answer_tpot": Form.TIME,
    "e2e": Form.TIME,
    "picture_ttft": Form.TIME,
    "stream_tokens_per_second": Form.SPEED,
    "answered": Form.SHARE,
    "good": Form.SHARE,
    "right": Form.SHARE,
    "requests_per_second": Form.RATE,
    "images_per_second": Form.RATE,
    "output_tokens_per_second": Form.RATE,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit: a time or a stream's speed at a percentile, a share, or a rate.

    `percentile` is a share of 1, None for shares and rates; no `kinds` means all of them.
    """

    metric: str
    limit: float
    percentile: float | None = None
    kinds: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """Return what kind of number is limited."""
        return METRICS[self.metric]

    @property
    def of_request(self) -> bool:
        """Return whether a request alone can meet it."""
        return self.form.has_percentile and self.metric != "picture_ttft"

    @property
    def kind(self) -> str:
        """Name the kinds that it asks of."""
        return ", ".join(self.kinds) or ALL

    @property
    def subject(self) -> str:
        """Name what is limited, such as "ttft p95" or "answered (picture)"."""
        percentile = "" if self.percentile is None else f" p{self.percentile * 100:g}"
        return f"{self.metric}{percentile}{f' ({self.kind})' if self.kinds else ''}"

    @property
    def text(self) -> str:
        """Say it in one line, such as "ttft p95 <= 2 s"."""
        sign = "<=" if self.form is Form.TIME else ">="
        return f"{self.subject} {sign} {self.shown(self.limit)}"

    def shown(self, value: float | str) -> str:
        """Write a value of this metric with its unit."""
        if isinstance(value, str):
            return value
        if self.form is Form.TIME:
            return f"{value:.3g} s" if abs(value) >= 1 else f"{value * 1000:.3g} ms"
        return f"{value * 100:.4g} %" if self.form is Form.SHARE else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Objectives:
    """All limits of a file, with the file's content as it is kept beside the results."""

    name: str
    objectives: tuple[Objective, ...]
    content: Mapping[str, Any]


def read_objectives(name_or_path: str) -> Objectives:
    """Read `slo/NAME.yaml`, or a file by its path; raises LoadError."""
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = FOLDER / f"{name_or_path}.yaml"
        names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
        if name_or_path not in names:
            hint = _hint(name_or_path, names)
            raise LoadError(f"There are no objectives {name_or_path!r} in loadtests/slo. {hint}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"The objectives {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise LoadError(f"The objectives {path} are no YAML: {told}.") from error
    return parse_objectives(content, path)


def parse_objectives(content: object, path: Path) -> Objectives:
    """Check the content of a file; raises LoadError that names the place and the limit."""
    top = _mapping(content, str(path), allowed=("about", "objectives"))
    listed = top.get("objectives")
    if not isinstance(listed, list) or not listed:
        raise LoadError(f"{path}: `objectives` must be a list with at least one objective.")
    objectives = tuple(
        _objective(entry, f"{path}, objective {number}") for number, entry in enumerate(listed, 1)
    )
    texts = [objective.subject for objective in objectives]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice:
        raise LoadError(f"{path}: {twice} is limited twice. Keep one of them.")
    return Objectives(path.stem, objectives, {"name": path.stem, **top})


def _objective(entry: object, place: str) -> Objective:
    keys = ("metric", "percentile", "at_most_seconds", "at_least", "kinds", "reason")
    given = _mapping(entry, place, allowed=keys)
    metric = str(given.get("metric", ""))
    if metric not in METRICS:
        raise LoadError(f"{place}: unknown metric {metric!r}. {_hint(metric, METRICS)}")
    form = METRICS[metric]
    wanted = {"metric", "reason", form.limit_key, *(["percentile"] if form.has_percentile else [])}
    for key in sorted(wanted - given.keys()):
        raise LoadError(f"{place}: {metric} needs {key!r}.")
    for key in sorted(given.keys() - wanted - {"kinds"}):
        raise LoadError(f"{place}: {metric} has no {key!r}; it takes {', '.join(sorted(wanted))}.")
    if not isinstance(given["reason"], str) or not given["reason"].strip():
        raise LoadError(f"{place}: `reason` must say in words why the limit is what it is.")
    return Objective(
        metric=metric,
        limit=_limit(given[form.limit_key], form, f"{place}: {form.limit_key!r}"),
        percentile=_percentile(given.get("percentile"), place) if form.has_percentile else None,
        kinds=_kinds(given.get("kinds", []), place),
    )


def _limit(value: object, form: Form, place: str) -> float:
    most = {Form.TIME: MOST_SECONDS, Form.SHARE: 1}.get(form, math.inf)
    number = _number(value)
    if number is None or not 0 < number <= most or math.isinf(number):
        above = "" if math.isinf(most) else f" and at most {most}"
        raise LoadError(f"{place} must be a number over 0{above}, not {value!r}.")
    return number


def _percentile(value: object, place: str) -> float:
    number = _number(value)
    if number is None or not 50 <= number <= 99.9:
        raise LoadError(f"{place}: 'percentile' must be from 50 to 99.9, not {value!r}.")
    return round(number / 100, 6)


def _number(value: object) -> float | None:
    """Return a number that is one; YAML's true and false are not, nor is .nan."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def _kinds(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(kind, str) and kind for kind in value):
        raise LoadError(f"{place}: 'kinds' must be a list of kinds of requests.")
    return tuple(value)


def _mapping(value: object, place: str, allowed: Iterable[str]) -> dict[str, Any]:
    """Return a mapping with no other keys than these."""
    if not isinstance(value, dict):
        raise LoadError(f"{place} must be a mapping with the keys {', '.join(allowed)}.")
    for key in value:
        if key not in allowed:
            raise LoadError(f"{place}: unknown key {key!r}. {_hint(str(key), allowed)}")
    return value


def _hint(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {nearest[0]}?" if nearest else f"There are {', '.join(known)}."
