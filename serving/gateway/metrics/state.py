"""What the gateway is, and what it lives on: keys, certificate, shared limits, its own tasks."""

import asyncio
import math
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from serving.gateway.build import Build
from serving.gateway.drain import Phase


class StateMetrics:
    """The gateway itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Every dashboard: what runs here.
        self.build = Info("gateway_build", "What is served by which version", registry=registry)
        # Panel of roll-outs.
        self.drain = Gauge(
            "gateway_drain_phase", "1 at the phase of the drain", ["phase"], registry=registry
        )
        # Alert on a drain cut short: seen before the end, as what is counted at the end is not.
        self.drain_used = Gauge(
            "gateway_drain_used_ratio",
            "Share of drain_seconds that is used while requests still run",
            registry=registry,
        )
        # Runbook of a drain cut short, where the gateway outlives it.
        self.cut_off = Counter(
            "gateway_drain_cut_off_requests",
            "Requests that a drain's limit ended before their answer was whole",
            registry=registry,
        )
        # Alert on keys that cannot be read: a revocation would not be noticed.
        self.key_source_stale = Gauge(
            "gateway_key_source_stale",
            "1 where the keys' file or store cannot be read and the last good ones hold",
            ["source"],
            registry=registry,
        )
        # Alert on limits that are not shared: together the gateways may let in more.
        self.rate_limit_leases_stale = Gauge(
            "gateway_rate_limit_leases_stale",
            "1 where keys' limits cannot be leased from the store, and each gateway has its part",
            registry=registry,
        )
        # Alert on a certificate that nobody renews; never, where there is none.
        self.certificate_expiry = Gauge(
            "gateway_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that new connections get ends, in seconds since 1970",
            registry=registry,
        )
        self.certificate_expiry.set(math.inf)
        # Alert on a renewal that failed.
        self.certificate_stale = Gauge(
            "gateway_tls_certificate_stale",
            "1 where the certificate's files cannot be used and the last good pair holds",
            registry=registry,
        )
        # Alert on a leak: at rest it is always the same.
        self.tasks = Gauge(
            "gateway_asyncio_tasks", "Tasks of the gateway's event loop", registry=registry
        )
        self.tasks.set_function(_count_tasks)
        self.set_phase(Phase.SERVING)

    def tell_build(self, build: Build, vllm: str = "") -> None:
        """Say what runs here; vLLM's version is known once it answers."""
        told = {"version": build.serving, "model": build.model, "settings": build.settings}
        self.build.info(told | {"image": build.image or "", "vllm": vllm})

    def set_phase(self, phase: Phase) -> None:
        """Mark the drain's phase."""
        for each in Phase:
            self.drain.labels(each.value).set(each is phase)


def _count_tasks() -> float:
    with suppress(RuntimeError):  # read outside the gateway's loop
        return float(len(asyncio.all_tasks()))
    return 0.0
