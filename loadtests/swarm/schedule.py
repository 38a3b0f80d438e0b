"""When the requests of an open loop are due: pure functions of rate, time and a generator.

A rate r(t) has the cumulative rate R(t), its integral from 0. Points of a process of rate one,
put through the inverse of R, are points of a process of rate r: with exponential gaps between
them a (non-homogeneous) Poisson process (Cinlar's inversion), with gaps of one an even one.
"""

import math
import random
from collections.abc import Iterator
from itertools import count

from loadtests.shapes import Arrivals, Rate


def arrivals(rate: Rate, seconds: float, rng: random.Random) -> Iterator[float]:
    """Yield the times, in seconds since the step began and below `seconds`, at which one is due."""
    points = _even() if rate.arrivals is Arrivals.CONSTANT else _exponential(rng)
    for point in points:
        due = _when(point, rate, seconds)
        if due is None or due >= seconds:
            return
        yield due


def expected(rate: Rate, seconds: float) -> float:
    """Return how many requests a step is expected to have."""
    return seconds * (rate.per_second + _until(rate)) / 2


def generator(seed: int, step: int) -> random.Random:
    """Return the generator of a step's times, the same in every process of a run."""
    return random.Random(f"arrivals {seed} {step}")  # noqa: S311 - repeatable, not secret


def _even() -> Iterator[float]:
    return (float(n) for n in count())


def _exponential(rng: random.Random) -> Iterator[float]:
    point = 0.0
    while True:
        point += rng.expovariate(1.0)
        yield point


def _when(point: float, rate: Rate, seconds: float) -> float | None:
    """Return when the cumulative rate reaches `point`, None where it never does.

    It is first·t + (last − first)·t² / (2·seconds); the root is in the form that stays exact
    where the rate hardly changes.
    """
    first, bend = rate.per_second, (_until(rate) - rate.per_second) / (2 * seconds)
    square = first * first + 4 * bend * point
    if square < 0:
        return None
    below = first + math.sqrt(square)
    if below == 0:
        return 0.0 if point == 0 and bend > 0 else None
    return 2 * point / below


def _until(rate: Rate) -> float:
    return rate.per_second if rate.until_per_second is None else rate.until_per_second
