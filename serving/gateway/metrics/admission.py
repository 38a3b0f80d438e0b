"""Who waits for the engine, who is let to it, and who is refused."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.gateway.metrics import buckets

# Each begins with 0: of what appears with 1 no rate can be seen.
REASONS: Final = (
    "engine_overloaded",
    "waited",
    "rate_limit_exceeded",
    "insufficient_quota",
    "budget_unknown",
)


class AdmissionMetrics:
    """The line before the engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Autoscaler; alert on a queue that never gets empty.
        self.queued = Gauge(
            "gateway_requests_queued", "Requests that wait for the engine", registry=registry
        )
        # Panel of load: how much of the engine's capacity is taken.
        self.at_engine = Gauge(
            "gateway_sequences_running", "Sequences at the engine", registry=registry
        )
        # Autoscaler: demand of a reasoning model is in its tokens, not in its requests.
        self.tokens_at_engine = Gauge(
            "gateway_tokens_running",
            "Tokens, prompt and output, expected of the requests at the engine",
            registry=registry,
        )
        # Panel of what a burst costs those who wait.
        self.queue_wait = Histogram(
            "gateway_queue_wait_seconds",
            "From a request's place in the queue to the engine",
            buckets=buckets.FIRST_TOKEN,
            registry=registry,
        )
        # Panel of what is let in, against what is refused.
        self.admitted = Counter(
            "gateway_admissions", "Requests let to the engine", registry=registry
        )
        # Alert on refusals; panel of why.
        self.refusals = Counter(
            "gateway_refusals",
            "Requests refused for a limit, by the error's code; waited: after a time in the queue",
            ["reason"],
            registry=registry,
        )
        for reason in REASONS:
            self.refusals.labels(reason)
