"""The times between the events of all streams, for less than a microsecond an event."""

from bisect import bisect_left
from collections.abc import Iterator
from math import inf
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.metrics.buckets import INTER_TOKEN

NAME: Final = "gateway_inter_token_seconds"
HELP: Final = (
    "Between two events of a stream, each about a token; events that came together follow at once"
)


class InterTokenTimes(Collector):
    """A histogram without locks: all streams and all scrapes share the gateway's one thread."""

    def __init__(self) -> None:
        self._counts = [0] * (len(INTER_TOKEN) + 1)
        self._sum = 0.0

    def observe(self, seconds: float, events: int) -> None:
        """Note that so many events, at least one, came that long after the one before them."""
        counts = self._counts
        counts[bisect_left(INTER_TOKEN, seconds)] += 1
        counts[0] += events - 1
        self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield it as Prometheus has it."""
        total, buckets = 0, []
        for bound, count in zip((*INTER_TOKEN, inf), self._counts, strict=True):
            total += count
            buckets.append((str(float(bound)) if bound < inf else "+Inf", float(total)))
        yield HistogramMetricFamily(NAME, HELP, buckets=buckets, sum_value=self._sum)
