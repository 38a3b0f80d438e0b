"""What the ledger has of a window, bucket by bucket: what the tab Performance shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from serving.gateway.page.axis import MINUTE, Span
from serving.gateway.page.plot import Values
from serving.gateway.performance import LEAST_REQUESTS, Tally, measured, percentile

if TYPE_CHECKING:
    from serving.gateway.record import Record
    from serving.store.usage import MinuteSum

Row = TypeVar("Row")

# What can be looked at: how long, and how long each bucket of it, in seconds.
WINDOWS: Final = {
    "15m": (15 * MINUTE, MINUTE),
    "1h": (60 * MINUTE, 3 * MINUTE),
    "6h": (360 * MINUTE, 15 * MINUTE),
    "24h": (1440 * MINUTE, 60 * MINUTE),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Values of requests that went well, in order within each bucket."""

    buckets: Sequence[Sequence[float]]

    def percentiles(self, percent: int) -> Values:
        """Return each bucket's percentile, None where it has too few requests."""
        return Values([_percentile(bucket, percent) for bucket in self.buckets])

    def overall(self, percent: int) -> float | None:
        """Return the percentile of all, None for too few requests."""
        whole = sorted(value for bucket in self.buckets for value in bucket)
        return _percentile(whole, percent)

    @property
    def counts(self) -> Values:
        """Return how many requests were measured in each bucket."""
        return Values([len(bucket) for bucket in self.buckets])

    @property
    def singles(self) -> tuple[tuple[float, ...], ...]:
        """Return the values of the buckets that have too few for any percentile."""
        least = min(LEAST_REQUESTS.values())
        return tuple(tuple(each) if len(each) < least else () for each in self.buckets)


@dataclass(frozen=True, slots=True)
class Activity:
    """The sums of a window's minutes, and a sample of its requests, as seen at `now`."""

    window: str
    span: Span
    now: float
    minutes: Sequence[MinuteSum]
    records: Sequence[Record]

    @property
    def whole(self) -> Tally:
        """Return how all requests ended."""
        return Tally.of(self.minutes)

    @property
    def tallies(self) -> list[Tally]:
        """Return how requests ended, bucket by bucket."""
        return [Tally.of(minutes) for minutes in self._minutes()]

    @property
    def output_rate(self) -> float:
        """Return the output tokens a second over all of the window."""
        tokens = sum(minute.output_tokens for minute in self.minutes)
        return tokens / max(MINUTE, self.now - self.span.since)

    @property
    def output_rates(self) -> Values:
        """Return output tokens a second; a bucket that has just begun tells nothing yet."""
        rates = []
        for number, minutes in enumerate(self._minutes()):
            began = self.span.since + number * self.span.step
            seconds = min(self.span.step, self.now - began)
            tokens = sum(minute.output_tokens for minute in minutes)
            rates.append(tokens / seconds if seconds >= MINUTE else None)
        return Values(rates)

    def measured(self, measure: Callable[[Record], float | None]) -> Measured:
        """Return what is measured of each request that went well."""
        buckets = self._buckets(self.records, lambda record: record.time)
        return Measured([measured(records, measure) for records in buckets])

    def _minutes(self) -> list[list[MinuteSum]]:
        return self._buckets(self.minutes, lambda minute: minute.minute)

    def _buckets(self, rows: Sequence[Row], time: Callable[[Row], float]) -> list[list[Row]]:
        buckets: list[list[Row]] = [[] for _ in range(self.span.buckets)]
        for row in rows:
            number = self.span.bucket(time(row))
            if number is not None:
                buckets[number].append(row)
        return buckets


def span_of(window: str, now: float) -> Span:
    """Return a window's buckets; the last is the one that runs."""
    seconds, step = WINDOWS[window]
    until = (now // step + 1) * step
    return Span(until - seconds, step, round(seconds / step))


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    return percentile(ordered, percent) if len(ordered) >= LEAST_REQUESTS[percent] else None
