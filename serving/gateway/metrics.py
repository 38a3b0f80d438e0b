"""Every metric of the gateway, on a registry of its own, with who uses it."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# A thought takes seconds to minutes; a first token comes within milliseconds when nothing waits.
FIRST_TOKEN_BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 120)
THOUGHT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 240, 480, 900)


class GatewayMetrics:
    """The gateway's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
