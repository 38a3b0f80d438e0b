"""Steps of the simulated engine, as points of a fit and as the files of a load test."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.planner.fitting import Point
from serving.planner.work import Work
from tests.serving.planner.simulated import Done, Engine

USERS = (1, 2, 4, 8, 16, 32)
MODEL = "tiny-qwen3-vl"
QUANTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}


def times(done: Sequence[Done]) -> dict[str, list[float]]:
    """Return each time of each request, in seconds."""
    return {
        "ttft": [each.first - each.arrived for each in done],
        "ttfat": [each.first_answer - each.arrived for each in done],
        "tpot": [(each.last - each.first) / (each.made - 1) for each in done],
        "e2e": [each.last - each.arrived for each in done],
    }


def point(done: Sequence[Done], users: int, per_second: float) -> Point:
    """Return one step as the planner takes it."""
    took = times(done)
    return Point(
        users=users,
        requests=len(done),
        requests_per_second=per_second,
        work=Work(
            prompt_tokens=float(np.mean([each.job.prompt for each in done])),
            cached_tokens=0.0,
            picture_tokens=0.0,
            pictures=0.0,
            thinking_tokens=float(np.mean([each.job.thinking for each in done])),
            answer_tokens=float(np.mean([each.job.answer for each in done])),
        ),
        means={name: float(np.mean(values)) for name, values in took.items()},
        quantiles={
            (name, quantile): float(np.percentile(values, share))
            for name, values in took.items()
            for quantile, share in QUANTILES.items()
        },
    )


def closed(engine: Engine, users: int, count: int = 400) -> Point:
    """Measure a closed loop once it has settled."""
    done = engine.closed(users, count + 4 * users)[2 * users :]
    return point(done, users, (len(done) - 1) / (done[-1].last - done[0].last))


def opened(engine: Engine, rate: float, count: int = 2500) -> Point:
    """Measure an open loop once it has settled."""
    return point(engine.open(rate, count)[200:], 1, rate)


def summary(points: Sequence[Point], **changes: Any) -> dict[str, Any]:
    """Return what a load test writes of such steps, with some of its top fields changed."""
    whole = {
        "schema": 1,
        "run": {"scenario": "mixed", "git_commit": "abc123", "date": "2026-11-21T22:00:00+00:00"},
        "verdict": {
            "measurement": "VALID",
            "partial": None,
            "objectives": "met",
            "sentence": "",
            "best_step": None,
        },
        "certificate": {"reasons": []},
        "objectives": {},
        "steps": [_step(each) for each in points],
        "models": {MODEL: sum(each.requests for each in points)},
    }
    return whole | changes


def write(path: Path, document: Any) -> Path:
    """Write a file of JSON."""
    path.write_text(json.dumps(document))
    return path


def _step(point: Point) -> dict[str, Any]:
    work = point.work
    mean = {
        "requests": 1.0,
        "prompt_tokens": work.prompt_tokens,
        "cached_tokens": work.cached_tokens,
        "image_tokens": work.picture_tokens,
        "video_tokens": 0.0,
        "images": work.pictures,
        "reasoning_tokens": work.thinking_tokens,
        "answer_tokens": work.answer_tokens,
    }
    row = {
        "kind": "all",
        "requests": point.requests,
        "answered": {"value": point.answered_share},
        "good": {"value": point.good_share},
        "per_second": {name: value * point.requests_per_second for name, value in mean.items()},
        "mean": mean,
    }
    for name in ("ttft", "ttfat", "tpot", "e2e"):
        quantiles = {
            quantile: {"value": point.quantiles.get((name, quantile))} for quantile in QUANTILES
        }
        row[name] = {"mean": point.means[name], **quantiles}
    return {"users": point.users, "rows": [row]}


def near(found: float, expected: float, share: float) -> bool:
    """Tell whether a number is within a share of another."""
    return math.isclose(found, expected, rel_tol=share)
