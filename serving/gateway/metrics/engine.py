"""What the gateway knows of its engine."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

# Each begins with 0: of what appears with 1 no rate can be seen.
ERRORS: Final = ("refused", "failed", "unavailable", "timeout")


class EngineMetrics:
    """The engine seen from outside; what it says of itself is at /engine/metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Alert on an engine that is not there; panel of states.
        self.ready = Gauge(
            "gateway_engine_ready", "1 while the engine gets requests", registry=registry
        )
        # Alert on a hung engine.
        self.hung = Gauge(
            "gateway_engine_hung", "1 while the watchdog has given the engine up", registry=registry
        )
        # Alert on a restart loop.
        self.starts = Counter(
            "gateway_engine_starts",
            "Engines that became ready, one after another",
            registry=registry,
        )
        # Panel of errors: who failed.
        self.errors = Counter(
            "gateway_upstream_errors",
            "Requests that the engine failed or refused, by what the client was told",
            ["reason"],
            registry=registry,
        )
        for reason in ERRORS:
            self.errors.labels(reason)
        # Panel of cold starts; the chart's start-up budget is checked against it.
        self.startup = Gauge(
            "gateway_startup_seconds",
            "From the gateway's start to the first end of a phase: listening, ready",
            ["phase"],
            registry=registry,
        )

    def watch(self, unready: Callable[[], str | None], hung: Callable[[], str | None]) -> None:
        """Let each scrape ask why the engine is not ready, or is hung; None is a no."""
        self.ready.set_function(lambda: float(unready() is None))
        self.hung.set_function(lambda: float(hung() is not None))
