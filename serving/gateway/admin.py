"""The admin port: probes for Kubernetes, the gateway's metrics and the engine's."""

from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.gateway.engine_watch import EngineWatch
from serving.gateway.envelope import openai
from serving.gateway.errors import GatewayError, MethodNotAllowed, NotFound
from serving.gateway.exchange import Receive, Scope, Send
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.upstream import Engine

TEXT: Final = "text/plain; charset=utf-8"

Page = tuple[int, bytes, str]


class Admin:
    """An ASGI application without keys, for an address that only operators reach."""

    def __init__(
        self,
        watch: EngineWatch,
        engine: Engine,
        metrics: GatewayMetrics,
        draining: Callable[[], bool],
    ) -> None:
        self._watch = watch
        self._engine = engine
        self._metrics = metrics
        self._draining = draining
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
            if scope["path"] not in self._pages:
                raise NotFound(f"This port has {', '.join(self._pages)}.", code="unknown_url")
            if scope["method"] != "GET":
                raise MethodNotAllowed("Use GET.", "GET")
            status, body, content_type = await self._pages[scope["path"]]()
        except GatewayError as error:
            status, content_type = error.status, "application/json"
            body = openai(error, "")
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _healthz(self) -> Page:
        return _verdict(None)

    async def _readyz(self) -> Page:
        if self._draining():
            return _verdict("the gateway is shutting down")
        return _verdict(None if self._watch.ready else "the engine does not answer")

    async def _startupz(self) -> Page:
        return _verdict(None if self._watch.started else "the engine was not ready yet")

    async def _livez(self) -> Page:
        return _verdict(None if self._watch.alive else "the engine makes no progress")

    async def _own_metrics(self) -> Page:
        return 200, generate_latest(self._metrics.registry), CONTENT_TYPE_LATEST

    async def _engine_metrics(self) -> Page:
        status, body, _ = await self._engine.get("/metrics")
        return status, body, CONTENT_TYPE_LATEST


def _verdict(objection: str | None) -> Page:
    if objection is None:
        return 200, b"ok\n", TEXT
    return 503, objection.encode() + b"\n", TEXT
