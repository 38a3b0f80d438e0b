"""Every metric of the gateway, on a registry of its own, with who uses it."""

import asyncio
import math
from contextlib import suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# A thought takes seconds to minutes; a first token comes within milliseconds when nothing waits.
FIRST_TOKEN_BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 120)
THOUGHT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 240, 480, 900)


class GatewayMetrics:
    """The gateway's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_requests()
        self._of_admission()
        self._of_sources()

    def _of_requests(self) -> None:
        """What became of requests, and how long it took."""
        # Alert on the error rate; panel of requests by outcome.
        self.requests = Counter(
            "gateway_requests",
            "Requests finished",
            ["route", "outcome"],
            registry=self.registry,
        )
        # Autoscaler; panel of load; what a drain waits for.
        self.running = Gauge(
            "gateway_requests_running", "Requests not yet finished", registry=self.registry
        )
        # Alert on slow first tokens; panel of latency.
        self.first_token = Histogram(
            "gateway_time_to_first_token_seconds",
            "From the request's headers to the first token, of thought or answer, of a stream",
            ["route"],
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self.registry,
        )
        # Panel of how long a reader waits for the answer while the model thinks.
        self.first_answer_token = Histogram(
            "gateway_time_to_first_answer_token_seconds",
            "From the request's headers to the first token of the answer of a stream",
            ["route"],
            buckets=THOUGHT_BUCKETS,
            registry=self.registry,
        )
        # Panel of latency; the measured length from which drain_seconds is chosen.
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From the request's headers to the end of its answer",
            ["route"],
            buckets=THOUGHT_BUCKETS,
            registry=self.registry,
        )
        # Panels of throughput and of thought against answer, capacity plan.
        self.tokens = Counter(
            "gateway_tokens",
            "Tokens by the engine's count; reasoning is part of completion, cached of prompt",
            ["kind"],
            registry=self.registry,
        )

    def _of_admission(self) -> None:
        """Who waits, and who is refused."""
        # Autoscaler; alert on a queue that never gets empty.
        self.queued = Gauge(
            "gateway_requests_queued", "Requests that wait for the engine", registry=self.registry
        )
        # Panel of load: how much of the engine's capacity is taken.
        self.at_engine = Gauge(
            "gateway_sequences_running", "Sequences at the engine", registry=self.registry
        )
        # Panel of what a burst costs those who wait.
        self.queue_wait = Histogram(
            "gateway_queue_wait_seconds",
            "From a request's place in the queue to the engine",
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self.registry,
        )
        # Alert on refusals; panel of why.
        self.refusals = Counter(
            "gateway_refusals",
            "Requests refused for a limit, by the error's code; waited: after a time in the queue",
            ["reason"],
            registry=self.registry,
        )

    def _of_sources(self) -> None:
        """What the gateway lives on: keys, certificate, shared limits, and its own tasks."""
        # Alert on keys that cannot be read: a revocation would not be noticed.
        self.key_source_stale = Gauge(
            "gateway_key_source_stale",
            "1 where the keys' file or store cannot be read and the last good ones hold",
            ["source"],
            registry=self.registry,
        )
        # Alert on limits that are not shared: together the gateways may let in more.
        self.rate_limit_leases_stale = Gauge(
            "gateway_rate_limit_leases_stale",
            "1 where keys' limits cannot be leased from the store, and each gateway has its part",
            registry=self.registry,
        )
        # Alert on a certificate that nobody renews; never, where there is none.
        self.certificate_expiry = Gauge(
            "gateway_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that new connections get ends, in seconds since 1970",
            registry=self.registry,
        )
        self.certificate_expiry.set(math.inf)
        # Alert on a renewal that failed.
        self.certificate_stale = Gauge(
            "gateway_tls_certificate_stale",
            "1 where the certificate's files cannot be used and the last good pair holds",
            registry=self.registry,
        )
        # Alert on a leak: at rest it is always the same.
        self.tasks = Gauge(
            "gateway_asyncio_tasks", "Tasks of the gateway's event loop", registry=self.registry
        )
        self.tasks.set_function(_count_tasks)


def _count_tasks() -> float:
    with suppress(RuntimeError):  # read outside the gateway's loop
        return float(len(asyncio.all_tasks()))
    return 0.0
