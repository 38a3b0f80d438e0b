"""Every metric of the gateway, on a registry of its own; each names who uses it."""

from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from serving.gateway.metrics.admission import AdmissionMetrics
from serving.gateway.metrics.engine import EngineMetrics
from serving.gateway.metrics.key_labels import KeyLabels
from serving.gateway.metrics.ledger import LedgerMetrics
from serving.gateway.metrics.media import MediaMetrics
from serving.gateway.metrics.requests import RequestMetrics
from serving.gateway.metrics.state import StateMetrics

__all__ = ["GatewayMetrics"]

MAX_KEY_LABELS: Final = 200


class GatewayMetrics:
    """The gateway's metrics in their groups."""

    def __init__(self, max_key_labels: int = MAX_KEY_LABELS) -> None:
        self.registry = registry = CollectorRegistry()
        keys = KeyLabels(max_key_labels)
        self.requests = RequestMetrics(registry, keys)
        self.admission = AdmissionMetrics(registry)
        self.media = MediaMetrics(registry)
        self.engine = EngineMetrics(registry)
        self.ledger = LedgerMetrics(registry, keys)
        self.state = StateMetrics(registry)
        ProcessCollector(registry=registry)
