"""From measured steps to the numbers of a model, and how well it foretells steps left out."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from serving.planner.least_squares import Row, fit
from serving.planner.model import TIMES, Model, Spread, Waiting, spread_line
from serving.planner.work import Weights, Work, features

QUANTILES = ("p50", "p90", "p95", "p99")
# Two runs of one step on a quiet machine agree to this share; the rest is how many requests there
# were: a mean of N of them is exact to about 1/√N.
REPEATABILITY = 0.03
# The time to first token holds HTTP, preprocessing and half a step of waiting, too.
LONE_ERROR = 0.3
# Steps that can be left out in turns: all but one are fitted.
ENOUGH = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a closed loop, as it was measured; times in seconds, absent ones left out."""

    users: int
    requests: int
    requests_per_second: float
    work: Work
    means: Mapping[str, float]  # by TIMES
    quantiles: Mapping[tuple[str, str], float]
    good_share: float | None = None
    answered_share: float = 1.0

    @property
    def error(self) -> float:
        """Return one standard deviation of what it says, as a share."""
        return math.hypot(REPEATABILITY, 1 / math.sqrt(self.requests))


def fitted(points: Sequence[Point], expected: Weights, most_running: int) -> Model:
    """Fit a model to steps; only the proportions of `expected` matter, for what they cannot tell.

    y(n) = 1 / throughput is linear in the weights, so is the time to first token in its parts.
    """
    scale = median(
        1 / point.requests_per_second / expected.seconds_per_request(point.work, point.users)
        for point in points
    )
    expected = expected.scaled(scale)
    rows = [
        Row(
            features(point.work, point.users),
            1 / point.requests_per_second,
            point.error / point.requests_per_second,
        )
        for point in points
    ]
    least = min(point.users for point in points)
    rows += [_lone(point) for point in points if point.users == least and "ttft" in point.means]
    found = fit(rows, tuple(_values(expected)))
    weights = Weights(*found.values)
    waiting = _waiting(points, weights)
    bare = Model(weights, waiting, {}, most_running)
    spreads = dict(_spreads(bare, points))
    return Model(weights, waiting, spreads, most_running, found.measured)


def deviations(
    points: Sequence[Point], expected: Weights, most_running: int
) -> Iterator[tuple[str, float, str]]:
    """Yield the largest deviation from a left-out step, as a share, of throughput and of p90.

    The first and the last load are not left out: what lies beyond the rest is no interpolation.
    """
    inner = sorted({point.users for point in points})[1:-1]
    if len(points) < ENOUGH or not inner:
        return
    throughput, answer = [], []
    for users in inner:
        rest = [point for point in points if point.users != users]
        other = fitted(rest, expected, most_running)
        for point in points:
            if point.users != users:
                continue
            found = other.at_users(point.work, users)
            throughput.append(abs(found.throughput_per_second / point.requests_per_second - 1))
            key = ("ttfat", "p90")
            if key in found.quantile and key in point.quantiles:
                answer.append(abs(found.quantile[key] / point.quantiles[key] - 1))
    formula = "largest |predicted / measured - 1|, each inner load left out of the fit once"
    yield "left_out_throughput_deviation", max(throughput), formula
    if answer:
        yield "left_out_ttfat_p90_deviation", max(answer), formula


def _lone(point: Point) -> Row:
    """Return what the least loaded step says of prefill: a first token is one step and a prefill.

    Throughput alone cannot tell prefill from decode where all steps have the same mix.
    """
    _, _, *prefill = features(point.work, point.users)
    first = point.means["ttft"]
    return Row((1.0, float(point.users), *prefill), first, LONE_ERROR * first)


def _values(weights: Weights) -> Iterable[float]:
    return (
        weights.step,
        weights.output_token,
        weights.prompt_token,
        weights.picture_token,
        weights.request,
    )


def _waiting(points: Sequence[Point], weights: Weights) -> Waiting:
    """Fit the time to first token; it is expected to hold one step and the prefill, once."""
    timed = [point for point in points if "ttft" in point.means]
    rows = [
        Row(
            (
                1.0,
                weights.step_seconds(point.users),
                point.users * weights.prefill_seconds(point.work),
            ),
            point.means["ttft"],
            point.error * point.means["ttft"],
        )
        for point in timed
    ]
    least = min(point.means["ttft"] for point in timed)
    return Waiting(*fit(rows, (least, 1.0, 1.0)).values)


def _spreads(bare: Model, points: Sequence[Point]) -> Iterable[tuple[tuple[str, str], Spread]]:
    """Compare each measured mean and percentile with the mean that the model gives its step."""
    predicted = [bare.at_users(point.work, point.users).mean for point in points]
    for time in TIMES:
        for name in ("mean", *QUANTILES):
            pairs = [
                (float(point.users), value / mean[time])
                for point, mean in zip(points, predicted, strict=True)
                if (value := _measured(point, time, name)) and mean[time] > 0
            ]
            if pairs:
                yield (time, name), spread_line(pairs)


def _measured(point: Point, time: str, name: str) -> float | None:
    return point.means.get(time) if name == "mean" else point.quantiles.get((time, name))
