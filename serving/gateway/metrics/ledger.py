"""Whether the usage ledger is kept, and the traces get out."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.gateway.metrics import buckets
from serving.gateway.metrics.key_labels import KeyLabels


class LedgerMetrics:
    """Rows on their way to the store, budgets that hang on them, and spans."""

    def __init__(self, registry: CollectorRegistry, keys: KeyLabels) -> None:
        self._keys = keys
        # Panel of the ledger.
        self.written = Counter(
            "gateway_ledger_rows", "Requests entered in the store", registry=registry
        )
        # Alert on usage that is lost for good.
        self.dropped = Counter(
            "gateway_ledger_dropped_rows",
            "Requests not entered because too many waited for the store",
            registry=registry,
        )
        # Alert on a store that is behind.
        self.unwritten = Gauge(
            "gateway_ledger_unwritten_rows", "Requests that wait for the store", registry=registry
        )
        self.lag = Gauge(
            "gateway_ledger_lag_seconds",
            "Age of the oldest request that waits for the store, 0 where none does",
            registry=registry,
        )
        # Alert on a store that fails.
        self.failures = Counter(
            "gateway_ledger_failures", "Attempts to write that failed", registry=registry
        )
        # Panel of the store's speed.
        self.write = Histogram(
            "gateway_ledger_write_seconds",
            "To write one batch",
            buckets=buckets.STORE,
            registry=registry,
        )
        # Alert on a key's budget near its end; panel of tenants.
        self.budget_used = Gauge(
            "gateway_key_budget_used_ratio",
            "Share of a key's budget that is spent in its running period",
            ["key"],
            registry=registry,
        )
        # Alert on spans that no collector takes.
        self.spans_dropped = Counter(
            "gateway_spans_dropped", "Spans that no collector took", registry=registry
        )

    def tell_budgets(self, ratios: Iterable[tuple[str, float]]) -> None:
        """Show which share of its budget each key has spent; of names together, the largest."""
        shown: dict[str, float] = {}
        for name, ratio in ratios:
            label = self._keys.label(name)
            shown[label] = max(ratio, shown.get(label, 0.0))
        self.budget_used.clear()
        for label, ratio in shown.items():
            self.budget_used.labels(label).set(ratio)
