"""What pictures and videos take before the engine sees them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from serving.gateway.metrics import buckets


class MediaMetrics:
    """Pictures ("image") and videos ("video"), fetched ("url") or in the body ("inline")."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Panel of pictures; alert on none of them getting through.
        self.items = Counter(
            "gateway_media_items",
            "Pictures and videos looked at, and whether they were let through",
            ["kind", "source", "outcome"],
            registry=registry,
        )
        # Panel of traffic.
        self.bytes = Counter(
            "gateway_media_bytes", "Bytes of pictures and videos", ["kind"], registry=registry
        )
        # Runbook of slow first tokens: somebody's slow picture server.
        self.fetch = Histogram(
            "gateway_media_fetch_seconds",
            "To fetch one picture or video by URL",
            ["kind"],
            buckets=buckets.MEDIA,
            registry=registry,
        )
        # Runbook of slow first tokens: media_workers is too small.
        self.check = Histogram(
            "gateway_media_check_seconds",
            "To look into one picture or video, the wait for a worker included",
            ["kind"],
            buckets=buckets.MEDIA,
            registry=registry,
        )
