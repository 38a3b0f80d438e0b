"""How far a number from a sample can be trusted: percentiles, shares, means and differences.

Pure, and without a distribution in mind: nothing here takes latencies to be normal. The formulas
with their sources stand in README.md, "Statistics".
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from statistics import NormalDist, fmean, stdev

CONFIDENCE = 0.95
CERTIFIED = 0.99
NEVER = math.inf
FEWEST_CLUSTERS = 11  # smallest_sample(0.5): below it nothing is said at all
TAIL_DEVIATIONS = 12  # what lies further out has less than 1e-9 of a binomial
ANGLES = 4096


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its confidence interval; a bound is None where the sample gives none."""

    value: float
    low: float | None = None
    high: float | None = None


@lru_cache(maxsize=256)
def smallest_sample(percentile: float) -> int:
    """Return from how many values on a percentile may be printed.

    So many that with 99 % confidence at least two of them lie above the true percentile.
    """
    size = 2
    while percentile**size + size * (1 - percentile) * percentile ** (size - 1) > 1 - CERTIFIED:
        size += 1
    return size


def nearest_rank(size: int, percentile: float) -> int:
    """Return the rank, from 1, of the least value that the share does not exceed."""
    return min(max(math.ceil(round(percentile * size, 9)), 1), size)


def quantile(ordered: Sequence[float], percentile: float) -> Estimate | None:
    """Return the nearest-rank percentile of ordered values and its interval; None for no value.

    The interval lies between two values of the sample, from the binomial distribution.
    """
    size = len(ordered)
    if not size:
        return None
    low, high = rank_interval(size, percentile)
    return Estimate(
        value=ordered[nearest_rank(size, percentile) - 1],
        low=ordered[low - 1] if low else None,
        high=ordered[high - 1] if high else None,
    )


@lru_cache(maxsize=4096)
def rank_interval(size: int, percentile: float) -> tuple[int | None, int | None]:
    """Return the ranks, from 1, between which the true percentile lies with 95 % confidence.

    The low one is the largest l with P(X < l) <= 2.5 %, the high one the smallest u with
    P(X >= u) <= 2.5 %, X binomial; None where there is no such rank.
    """
    low = _lower_rank(size, percentile)
    mirrored = _lower_rank(size, 1 - percentile)
    return low, size + 1 - mirrored if mirrored else None


def _lower_rank(size: int, share: float) -> int | None:
    tail = (1 - CONFIDENCE) / 2
    reach = TAIL_DEVIATIONS * math.sqrt(size * share * (1 - share)) + TAIL_DEVIATIONS
    count = max(0, math.floor(size * share - reach))
    term = _binomial(size, share, count)
    below = 0.0
    while below + term <= tail and count < size:
        below += term
        term *= (size - count) / (count + 1) * share / (1 - share)
        count += 1
    return count or None


def _binomial(size: int, share: float, count: int) -> float:
    """Return the probability of exactly `count` of `size`."""
    ways = math.lgamma(size + 1) - math.lgamma(count + 1) - math.lgamma(size - count + 1)
    return math.exp(ways + count * math.log(share) + (size - count) * math.log(1 - share))


def wilson(part: int, whole: int) -> Estimate | None:
    """Return a share with its Wilson score interval; None for a share of nothing."""
    if not whole:
        return None
    share, z = part / whole, normal(CONFIDENCE)
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole**2))
    half /= 1 + z * z / whole
    low = max(middle - half, 0.0) if part else 0.0
    high = min(middle + half, 1.0) if part < whole else 1.0
    return Estimate(share, low, high)


def batch_error(rates: Sequence[float]) -> float:
    """Return half the width of the interval of a mean rate, from its batches over time."""
    return student_t(CONFIDENCE, len(rates) - 1) * stdev(rates) / math.sqrt(len(rates))


def normal(confidence: float) -> float:
    """Return how many standard deviations hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@lru_cache(maxsize=256)
def student_t(confidence: float, degrees: int) -> float:
    """Return how many standard errors hold this share of Student's distribution.

    With t = sqrt(degrees) * tan(angle) its density becomes cos(angle) ** (degrees - 1), which is
    summed up here.
    """
    step = math.pi / 2 / ANGLES
    heights = [math.cos(step * i) ** (degrees - 1) for i in range(ANGLES)] + [float(degrees == 1)]
    areas = [0.0, *accumulate((left + right) / 2 for left, right in pairwise(heights))]
    wanted = confidence * areas[-1]
    place = bisect_right(areas, wanted)
    part = (wanted - areas[place - 1]) / (areas[place] - areas[place - 1])
    return math.sqrt(degrees) * math.tan(step * (place - 1 + part))


class Pooled:
    """Values of many requests in one heap, such as gaps between events.

    Those of one request resemble each other. An interval that took them for independent would be
    far too narrow, so that this one comes from how much the requests differ (Woodruff 1952).
    """

    def __init__(self, clusters: Sequence[Sequence[int]]) -> None:
        self._clusters = [sorted(cluster) for cluster in clusters if cluster]
        counts: Counter[int] = Counter()
        for cluster in self._clusters:
            counts.update(cluster)
        self._values = sorted(counts)
        self._until = list(accumulate(counts[value] for value in self._values))
        self.size = self._until[-1] if self._until else 0
        self.total = sum(value * count for value, count in counts.items())

    def at(self, rank: int) -> int:
        """Return the value of a rank, from 1."""
        return self._values[bisect_right(self._until, rank - 1)]

    def quantile(self, percentile: float) -> Estimate | None:
        """Return a percentile; None where the requests differ too much to speak of it."""
        if len(self._clusters) < FEWEST_CLUSTERS:
            return None
        value = self.at(nearest_rank(self.size, percentile))
        error = self._share_error(value)
        worth = min(percentile * (1 - percentile) / error**2, self.size) if error else self.size
        if worth < smallest_sample(percentile):
            return None
        half = normal(CONFIDENCE) * max(error, math.sqrt(percentile * (1 - percentile) / self.size))
        low, high = percentile - half, percentile + half
        return Estimate(
            value=value,
            low=self.at(nearest_rank(self.size, low)) if low > 0 else None,
            high=self.at(nearest_rank(self.size, high)) if high < 1 else None,
        )

    def _share_error(self, value: int) -> float:
        """Return the standard error of the share of values up to one, over requests."""
        below = [bisect_right(cluster, value) for cluster in self._clusters]
        share, requests = sum(below) / self.size, len(below)
        squares = sum(
            (part - share * len(cluster)) ** 2
            for part, cluster in zip(below, self._clusters, strict=True)
        )
        return math.sqrt(squares * requests / (requests - 1)) / self.size


def difference(before: Estimate, after: Estimate) -> Estimate:
    """Return `after` less `before` with its interval, from both intervals (MOVER).

    Zou and Donner 2008; for two Wilson intervals it is Newcombe's method of 1998.
    """
    change = after.value - before.value
    if None in (before.low, before.high, after.low, after.high):
        return Estimate(change)
    down = math.hypot(after.value - _float(after.low), _float(before.high) - before.value)
    up = math.hypot(_float(after.high) - after.value, before.value - _float(before.low))
    return Estimate(change, change - down, change + up)


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent estimates; of endless ones, with the mean of their bounds."""
    value, many = fmean(e.value for e in estimates), len(estimates)
    if any(e.low is None or e.high is None for e in estimates):
        return Estimate(value)
    lows, highs = [_float(e.low) for e in estimates], [_float(e.high) for e in estimates]
    if math.isinf(value):
        return Estimate(value, fmean(lows), fmean(highs))
    down = math.hypot(*(e.value - low for e, low in zip(estimates, lows, strict=True)))
    up = math.hypot(*(high - e.value for e, high in zip(estimates, highs, strict=True)))
    return Estimate(value, value - down / many, value + up / many)


def _float(bound: float | None) -> float:
    assert bound is not None  # noqa: S101 - the callers have asked
    return bound
