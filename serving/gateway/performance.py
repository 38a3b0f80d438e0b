"""How well an endpoint does, computed from the ledger by OpenRouter's definitions.

- Latency is the time from a request's headers to its first token, of the thought or the answer,
  in ms; only streams have one. Its sibling ends at the first token of the answer.
- Throughput is a request's output tokens by the whole time from its headers to its end, so that
  waiting counts: tokens a second, whole answers and streams alike.
- Uptime is ok / (ok + failed) in percent. What was refused (4xx and 429) or cancelled is left out.

Percentiles are of requests that went well, by nearest rank: each is a value that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from serving.gateway.record import Record
    from serving.store.usage import MinuteSum

# How many requests show a percentile: with a confidence of 99 % at least two of so many are above
# the true one. It is the least n with q^n + n (1 - q) q^(n-1) <= 0.01, as MLPerf's early stopping.
LEAST_REQUESTS: Final = {50: 11, 75: 24, 90: 64, 95: 130, 99: 662}
# OpenRouter's four come together or not at all. From here on all but p99 hold by the rule above;
# p99 does from 662 on, and is the slowest few until then.
LEAST_FOR_PERCENTILES: Final = LEAST_REQUESTS[90]
# OpenRouter judges no uptime by fewer requests.
LEAST_FOR_UPTIME: Final = 100
MINUTE_SECONDS: Final = 60
FIVE_MINUTES_SECONDS: Final = 5 * MINUTE_SECONDS
HALF_HOUR_SECONDS: Final = 30 * MINUTE_SECONDS
DAY_SECONDS: Final = 86_400


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of values that are ordered and not none."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles by nearest rank: each is a value that was measured."""

    p50: float
    p75: float
    p90: float
    p99: float

    @classmethod
    def of(cls, ordered: Sequence[float]) -> Self | None:
        """Return those of ordered values, None where there are fewer than are reported."""
        if len(ordered) < LEAST_FOR_PERCENTILES:
            return None
        return cls(*(percentile(ordered, each) for each in (50, 75, 90, 99)))


@dataclass(frozen=True, slots=True)
class Tally:
    """How requests of some time ended."""

    ok: int = 0
    refused: int = 0
    cancelled: int = 0
    failed: int = 0

    @classmethod
    def of(cls, minutes: Iterable[MinuteSum]) -> Self:
        """Add up what minutes say."""
        total = cls()
        for each in minutes:
            total = cls(
                total.ok + each.ok,
                total.refused + each.refused,
                total.cancelled + each.cancelled,
                total.failed + each.failed,
            )
        return total

    @property
    def requests(self) -> int:
        """Return how many there were."""
        return self.ok + self.refused + self.cancelled + self.failed

    def uptime(self, least: int = LEAST_FOR_UPTIME) -> float | None:
        """Return the uptime in percent, None where fewer than `least` requests tell of it."""
        judged = self.ok + self.failed
        return 100 * self.ok / judged if judged >= max(least, 1) else None


@dataclass(frozen=True, slots=True)
class Figures:
    """An endpoint's figures as OpenRouter lists them; None where too few requests tell of it.

    Uptime in percent; the percentiles are of the last 30 minutes, in ms and tokens a second.
    """

    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None
    latency: Percentiles | None = None
    throughput: Percentiles | None = None


def figures(records: Sequence[Record], minutes: Sequence[MinuteSum], now: float) -> Figures:
    """Return the figures at a time, in seconds since 1970.

    `records` are a sample of the last HALF_HOUR_SECONDS, `minutes` the sums of the last
    DAY_SECONDS, both of one model. The minute that runs counts, and each that has a second in the
    time; a request belongs to the minute of its headers.
    """

    def uptime(seconds: float) -> float | None:
        since = now - seconds - MINUTE_SECONDS
        return Tally.of(each for each in minutes if each.minute > since).uptime()

    return Figures(
        uptime(FIVE_MINUTES_SECONDS),
        uptime(HALF_HOUR_SECONDS),
        uptime(DAY_SECONDS),
        Percentiles.of(measured(records, latency_ms)),
        Percentiles.of(measured(records, throughput)),
    )


def measured(records: Iterable[Record], measure: Callable[[Record], float | None]) -> list[float]:
    """Return the ordered values of the requests that went well and have one."""
    well = (record for record in records if record.verdict == "ok")
    return sorted(value for record in well if (value := measure(record)) is not None)


def latency_ms(record: Record) -> float | None:
    """Return a request's time to its first token, None where it was no stream."""
    return _milliseconds(record.first_token_seconds)


def first_answer_ms(record: Record) -> float | None:
    """Return a request's time to its first token of the answer, None where there is none."""
    return _milliseconds(record.first_answer_seconds)


def throughput(record: Record) -> float | None:
    """Return a request's tokens a second over all of its time, None where it has no output."""
    if not record.output_tokens or record.duration_seconds <= 0:
        return None
    return record.output_tokens / record.duration_seconds


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
