"""Curves as the load tests leave them: `summary.json`, or a baseline that holds several.

Only what a plan needs is read; everything else in the files may change without notice here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import msgspec

from serving.failure import NotDone
from serving.planner.fitting import QUANTILES, Point
from serving.planner.model import TIMES
from serving.planner.work import Work, mean_work

SCHEMA: Final = 1
LEAST_REQUESTS: Final = 5
# An engine that turns requests away or breaks them is not measured by those that it served.
LEAST_ANSWERED: Final = 0.99
Seconds = float | Literal["never"] | None


class _Quantile(msgspec.Struct):
    value: Seconds


class _Spread(msgspec.Struct):
    mean: float | None
    p50: _Quantile
    p90: _Quantile
    p95: _Quantile
    p99: _Quantile


class _Share(msgspec.Struct):
    value: float | None


class _Work(msgspec.Struct):
    requests: float
    prompt_tokens: float
    cached_tokens: float
    image_tokens: float
    video_tokens: float
    images: float
    reasoning_tokens: float
    answer_tokens: float


class _Row(msgspec.Struct):
    kind: str
    requests: int
    answered: _Share
    good: _Share
    per_second: _Work
    mean: _Work | None
    ttft: _Spread
    ttfat: _Spread
    tpot: _Spread
    e2e: _Spread


class _Step(msgspec.Struct):
    users: int | None
    rows: list[_Row]


class _Verdict(msgspec.Struct):
    measurement: Literal["VALID", "INVALID"]
    partial: str | None


class _Certificate(msgspec.Struct):
    reasons: list[str]


class _Summary(msgspec.Struct):
    schema: int
    run: dict[str, Any]
    verdict: _Verdict
    certificate: _Certificate
    objectives: dict[str, Any]
    steps: list[_Step]
    models: dict[str, int]


class _Baseline(msgspec.Struct):
    schema: int
    gpu: str
    synthetic: bool
    summaries: list[_Summary]


@dataclass(frozen=True, slots=True)
class Curve:
    """The steps of one run, and where they come from."""

    source: str  # file, scenario, commit and date
    model: str
    gpu: str | None
    points: tuple[Point, ...]
    invalid: str | None  # why the times cannot be trusted
    partial: str | None
    synthetic: bool
    left_out: tuple[str, ...]  # steps that say nothing, and why
    objectives: Mapping[str, Any]


def read_curves(path: Path) -> list[Curve]:
    """Read all curves of a file; raises NotDone where it is none or holds no closed loop."""
    try:
        content = path.read_bytes()
        known = msgspec.json.decode(content)
        is_baseline = isinstance(known, dict) and "summaries" in known
        file = (
            msgspec.convert(known, _Baseline) if is_baseline else msgspec.convert(known, _Summary)
        )
    except OSError as error:
        raise NotDone(
            f"--curve {path} cannot be read: {error.strerror}.",
            "Give the summary.json of a load test's folder, or a baseline.",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotDone(
            f"--curve {path} is no summary of a load test: {error}.",
            "Give the summary.json of a load test's folder, or a baseline.",
        ) from None
    if file.schema != SCHEMA:
        raise NotDone(
            f"--curve {path} has schema {file.schema}; this program reads {SCHEMA}.",
            "Measure again, or plan with the version that measured.",
        )
    if isinstance(file, _Summary):
        return [_curve(path, file, None, synthetic=False)]
    return [_curve(path, each, file.gpu, synthetic=file.synthetic) for each in file.summaries]


def _curve(path: Path, summary: _Summary, gpu: str | None, *, synthetic: bool) -> Curve:
    points, left_out = [], []
    for step in summary.steps:
        reason = _unusable(step)
        if reason is None:
            points.append(_point(step))
        elif step.users is not None:
            left_out.append(f"{step.users} users: {reason}")
    run = summary.run
    told = {key: run.get(key) for key in ("scenario", "git_commit", "date")}
    told["gpu"] = gpu
    known = [f"{key.removeprefix('git_')} {value}" for key, value in told.items() if value]
    loads = dict.fromkeys(point.users for point in points)
    return Curve(
        source=", ".join([str(path), *known]),
        model=max(summary.models, key=lambda name: summary.models[name], default="unknown"),
        gpu=gpu,
        points=tuple(merged([each for each in points if each.users == n]) for n in loads),
        invalid=_reason(summary),
        partial=summary.verdict.partial,
        synthetic=synthetic or bool(run.get("synthetic")),
        left_out=tuple(left_out),
        objectives=summary.objectives,
    )


def merged(points: Sequence[Point]) -> Point:
    """Return one point for the repeats of a step: medians of times and rates, means of work.

    A repeat that something else on the machine disturbed does not move a median.
    """
    if len(points) == 1:
        return points[0]
    means = {name for point in points for name in point.means}
    quantiles = {key for point in points for key in point.quantiles}
    good = [point.good_share for point in points if point.good_share is not None]
    return Point(
        users=points[0].users,
        requests=sum(point.requests for point in points),
        requests_per_second=median(point.requests_per_second for point in points),
        work=mean_work([point.work for point in points]),
        means={
            name: median(point.means[name] for point in points if name in point.means)
            for name in means
        },
        quantiles={
            key: median(point.quantiles[key] for point in points if key in point.quantiles)
            for key in quantiles
        },
        good_share=median(good) if good else None,
        answered_share=min(point.answered_share for point in points),
    )


def _reason(summary: _Summary) -> str | None:
    if summary.verdict.measurement == "VALID":
        return None
    return "; ".join(summary.certificate.reasons) or "no reason is given"


def _unusable(step: _Step) -> str | None:
    """Say why a step says nothing of the engine's capacity."""
    row = step.rows[-1] if step.rows else None
    if step.users is None:
        return "an open loop"
    if row is None or row.mean is None or row.requests < LEAST_REQUESTS:
        return f"fewer than {LEAST_REQUESTS} requests were counted"
    if row.per_second.requests <= 0 or row.ttft.mean is None:
        return "no request was answered within it"
    if row.answered.value is None or row.answered.value < LEAST_ANSWERED:
        return f"less than {LEAST_ANSWERED:.0%} of its requests were answered"
    return None


def _point(step: _Step) -> Point:
    row = step.rows[-1]
    mean = row.mean
    assert mean is not None and step.users is not None  # noqa: S101 — `_unusable` looked
    spreads = {time: getattr(row, time) for time in TIMES}
    return Point(
        users=step.users,
        requests=row.requests,
        requests_per_second=row.per_second.requests,
        work=Work(
            prompt_tokens=mean.prompt_tokens,
            cached_tokens=mean.cached_tokens,
            picture_tokens=mean.image_tokens + mean.video_tokens,
            pictures=mean.images,
            thinking_tokens=mean.reasoning_tokens,
            answer_tokens=mean.answer_tokens,
        ),
        means={time: spread.mean for time, spread in spreads.items() if spread.mean is not None},
        quantiles={
            (time, name): float(value)
            for time, spread in spreads.items()
            for name in QUANTILES
            if (value := getattr(spread, name).value) not in (None, "never")
            and math.isfinite(value)
        },
        good_share=row.good.value,
        answered_share=row.answered.value or 0.0,
    )
