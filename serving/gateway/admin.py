"""The admin port: probes for Kubernetes, the gateway's metrics and the engine's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from serving.gateway.answer_headers import with_security
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.envelope import openai
from serving.gateway.errors import GatewayError, InternalError, MethodNotAllowed, NotFound
from serving.gateway.exchange import Receive, Scope, Send
from serving.gateway.head import check_head
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.upstream import Engine
from serving.logs import describe

logger = logging.getLogger(__name__)

TEXT: Final = "text/plain; charset=utf-8"

Page = tuple[int, bytes, str]


class Admin:
    """An ASGI application without keys, for an address that only operators reach."""

    def __init__(
        self,
        watch: EngineWatch,
        engine: Engine,
        metrics: GatewayMetrics,
        leaving: Callable[[], str | None],
    ) -> None:
        self._watch = watch
        self._engine = engine
        self._metrics = metrics
        self._leaving = leaving
        self._pages: dict[str, Callable[[], Awaitable[Page]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/startupz": self._startupz,
            "/livez": self._livez,
            "/metrics": self._own_metrics,
            "/engine/metrics": self._engine_metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the admin port."""
        try:
            check_head(scope)
            if scope["path"] not in self._pages:
                raise NotFound(f"This port has {', '.join(self._pages)}.", code="unknown_url")
            if scope["method"] not in {"GET", "HEAD"}:
                raise MethodNotAllowed("Use GET.", "GET, HEAD")
            status, body, content_type = await self._pages[scope["path"]]()
        except Exception as error:  # the one border: a scrape of any kind gets an answer
            status, body = _refused(error)
            content_type = "application/json"
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        headers = with_security(headers, tls=False)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _healthz(self) -> Page:
        return _verdict(None)

    async def _readyz(self) -> Page:
        return _verdict(self._leaving() or self._watch.unready())

    async def _startupz(self) -> Page:
        return _verdict(self._watch.unstarted())

    async def _livez(self) -> Page:
        return _verdict(self._watch.hung())

    async def _own_metrics(self) -> Page:
        """Write one family after another: all in one go would hold up every stream."""
        page = bytearray()
        for family in self._metrics.registry.collect():
            page += generate_latest(_Family(family))
            await asyncio.sleep(0)
        return 200, bytes(page), CONTENT_TYPE_LATEST

    async def _engine_metrics(self) -> Page:
        status, body, _ = await self._engine.get("/metrics")
        return status, body, CONTENT_TYPE_LATEST


class _Family(Collector):
    """One metric with all its labels: the library writes no page but of a collector.

    Without the moments at which counts were made, which nobody reads: they are half of the page.
    """

    def __init__(self, metric: Metric) -> None:
        metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield it."""
        yield self._metric


def _refused(error: Exception) -> tuple[int, bytes]:
    if not isinstance(error, GatewayError):
        logger.error("on the admin port: %s", describe(error))
        error = InternalError("The gateway failed; its log says where.")
    return error.status, openai(error, "")


def _verdict(objection: str | None) -> Page:
    if objection is None:
        return 200, b"ok\n", TEXT
    return 503, objection.encode() + b"\n", TEXT
