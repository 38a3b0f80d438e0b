"""What became of requests, how long it took, what it cost, and whose it was."""

from collections.abc import Iterable
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.gateway.metrics import buckets
from serving.gateway.metrics.inter_token import InterTokenTimes
from serving.gateway.metrics.key_labels import KeyLabels
from serving.gateway.record import OUTCOMES, Record
from serving.gateway.timeline import Stage

# What vLLM ends an answer for; anything else would be news, and is counted as such.
FINISH_REASONS: Final = ("none", "stop", "length", "tool_calls", "repetition", "abort", "error")
NEWS: Final = "other"


class RequestMetrics:
    """A book of all requests, in Prometheus' terms."""

    name = "metrics"

    def __init__(self, registry: CollectorRegistry, keys: KeyLabels) -> None:
        self._keys = keys
        self.inter_token = InterTokenTimes()
        registry.register(self.inter_token)
        self._of_outcomes(registry)
        self._of_times(registry)
        self._of_tokens(registry)
        self._of_keys(registry)

    def _of_outcomes(self, registry: CollectorRegistry) -> None:
        # Alert on the error budget; panel of requests by outcome.
        self.finished = Counter(
            "gateway_requests",
            "Requests finished, by what became of them and why the model stopped",
            ["route", "outcome", "finish_reason"],
            registry=registry,
        )
        # Autoscaler; panel of load; what a drain waits for.
        self.running = Gauge(
            "gateway_requests_running", "Requests not yet finished", registry=registry
        )
        # Alert on answers that never came: max_tokens is too small for the thoughts.
        self.truncated = Counter(
            "gateway_truncated_in_thinking",
            "Answers cut by max_tokens while the model still thought",
            registry=registry,
        )
        # Panel of how often a budget ends a thought.
        self.budget_hits = Counter(
            "gateway_thinking_budget_hits",
            "Answers whose thought was ended by its budget",
            registry=registry,
        )
        # Alert on books that are not kept.
        self.book_failures = Counter(
            "gateway_book_failures",
            "Requests that metrics, ledger, log or traces could not take",
            ["book"],
            registry=registry,
        )

    def _of_times(self, registry: CollectorRegistry) -> None:
        # Alert on slow first tokens; panel of latency.
        self.first_token = Histogram(
            "gateway_time_to_first_token_seconds",
            "From the request's headers to the first token, of thought or answer, of a stream",
            ["route"],
            buckets=buckets.FIRST_TOKEN,
            registry=registry,
        )
        # Alert and panel of how long a reader waits for the answer while the model thinks.
        self.first_answer_token = Histogram(
            "gateway_time_to_first_answer_token_seconds",
            "From the request's headers to the first token of the answer of a stream",
            ["route"],
            buckets=buckets.THOUGHT,
            registry=registry,
        )
        # Panel of latency; the measured length from which drain_seconds is chosen.
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From the request's headers to the end of its answer",
            ["route"],
            buckets=buckets.THOUGHT,
            registry=registry,
        )
        # Every latency runbook: which part has grown.
        self.stages = Histogram(
            "gateway_stage_seconds",
            "Parts of the requests that came to the engine; together they are the duration",
            ["stage"],
            buckets=buckets.STAGE,
            registry=registry,
        )
        self._stages = {stage: self.stages.labels(stage.value) for stage in Stage}
        # Panel of thoughts.
        self.thinking = Histogram(
            "gateway_thinking_seconds",
            "First token of the thought to the first of the answer, of answers that thought",
            buckets=buckets.THOUGHT,
            registry=registry,
        )

    def _of_tokens(self, registry: CollectorRegistry) -> None:
        # Panels of throughput and of thought against answer, capacity plan.
        self.tokens = Counter(
            "gateway_tokens",
            "Tokens by the engine's count; cached, image and video are parts of prompt",
            ["kind"],
            registry=registry,
        )
        # Panel of thoughts' lengths; default_thinking_share is chosen by it.
        self.thinking_tokens = Histogram(
            "gateway_thinking_tokens",
            "Tokens of the thought, of answers that thought",
            buckets=buckets.TOKENS,
            registry=registry,
        )
        # Panel of cost; the planner's check.
        self.cost = Counter(
            "gateway_cost_usd", "Price of all requests at the offered prices", registry=registry
        )

    def _of_keys(self, registry: CollectorRegistry) -> None:
        # Dashboard of tenants, where no ledger can be asked.
        self.key_requests = Counter(
            "gateway_key_requests",
            "Requests of a key by what became of them",
            ["key", "verdict"],
            registry=registry,
        )
        self.key_tokens = Counter(
            "gateway_key_tokens", "Tokens of a key", ["key", "kind"], registry=registry
        )
        self.key_cost = Counter(
            "gateway_key_cost_usd", "Price of a key's requests", ["key"], registry=registry
        )

    def expect(self, routes: Iterable[str]) -> None:
        """Let every way to fail begin with 0: of what appears with 1 no rate can be seen."""
        failures = [name for name, verdict in OUTCOMES.items() if verdict == "failed"]
        for route, outcome in product(routes, ["ok", *failures]):
            self.finished.labels(route, outcome, "none")

    def enter(self, record: Record) -> None:
        """Take a finished request."""
        reason = record.finish_reason or "none"
        reason = reason if reason in FINISH_REASONS else NEWS
        self.finished.labels(record.route, record.outcome, reason).inc()
        self.duration.labels(record.route).observe(record.duration_seconds)
        if not record.generates or not record.known:
            return
        key = self._keys.label(record.key)
        self.key_requests.labels(key, record.verdict).inc()
        if record.admitted:
            self._enter_answer(record, key)

    def _enter_answer(self, record: Record, key: str) -> None:
        if record.first_token_seconds is not None:
            self.first_token.labels(record.route).observe(record.first_token_seconds)
        if record.first_answer_seconds is not None:
            self.first_answer_token.labels(record.route).observe(record.first_answer_seconds)
        for stage, seconds in record.stages.items():
            self._stages[stage].observe(seconds)
        if record.reasoning_tokens:
            self.thinking.observe(record.stages.get(Stage.THINKING, 0.0))
            self.thinking_tokens.observe(record.reasoning_tokens)
        for kind, count in record.tokens.items():
            if count:
                self.tokens.labels(kind).inc(count)
                self.key_tokens.labels(key, kind).inc(count)
        self.cost.inc(record.cost)
        self.key_cost.labels(key).inc(record.cost)
        self.truncated.inc(record.truncated_in_thinking)
        self.budget_hits.inc(record.budget_hit)
