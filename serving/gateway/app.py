"""The gateway: a request's path from its socket to its endpoint, and the admin port beside it."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from serving.catalogue import ModelEntry
from serving.gateway.admin import Admin
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import ShuttingDown
from serving.gateway.exchange import Exchange, Receive, Scope, Send
from serving.gateway.keys import load_keys
from serving.gateway.media import MediaFetcher
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.relay import Relay
from serving.gateway.routes import check_method, find_route
from serving.gateway.served import ServedModel
from serving.gateway.upstream import Engine
from serving.options import Settings

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.25
RETRY_ELSEWHERE_SECONDS: Final = 5


class Gateway:
    """An ASGI application with a life: opened before the first request, drained at the end."""

    def __init__(self, settings: Settings, entry: ModelEntry) -> None:
        self.settings = settings.gateway
        self._keys = load_keys(self.settings)
        self._metrics = GatewayMetrics()
        self._engine = Engine(settings.engine.listen, self.settings)
        self._media = MediaFetcher(self.settings)
        self._watch = EngineWatch(self._engine, entry.id, self.settings.watchdog_seconds)
        self._served = ServedModel(
            entry=entry,
            limits=self.settings,
            watch=self._watch,
            relay=Relay(self._engine, self._watch, self.settings.idle_timeout_seconds),
            media=self._media,
            created=int(time.time()),
        )
        self._running: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._life = AsyncExitStack()
        self.background: set[asyncio.Task[None]] = set()
        self.draining = False
        self.admin = Admin(self._watch, self._engine, self._metrics, lambda: self.draining)

    async def __aenter__(self) -> Self:
        """Open connections and start to watch the engine."""
        for part in (self._engine, self._media):
            await part.open()
            self._life.push_async_callback(part.close)
        for work in (self._watch.run(), self._check_deadlines()):
            task = asyncio.create_task(work)
            self.background.add(task)
            self._life.callback(task.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching and close connections."""
        await self._life.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the API port."""
        exchange = Exchange(scope, receive, send, gateway=self.settings, metrics=self._metrics)
        self._running.add(exchange)
        self._idle.clear()
        self._metrics.running.set(len(self._running))
        try:
            with exchange.interruption:
                await self._serve(scope["path"], exchange)
        except Exception as error:  # the one border: every failure gets its answer
            await exchange.fail(error)
        finally:
            exchange.finish()
            self._running.discard(exchange)
            self._metrics.running.set(len(self._running))
            if not self._running:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Refuse new requests, wait for the running ones, and tell those that are left."""
        self.draining = True
        logger.info("shutting down: %d requests running", len(self._running))
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self.cut_off()
            await self._idle.wait()

    def cut_off(self) -> None:
        """End all running requests with an error that says why."""
        for exchange in self._running:
            exchange.interruption.interrupt(
                ShuttingDown("The server is shutting down and could not finish this answer.")
            )

    async def _serve(self, path: str, exchange: Exchange) -> None:
        route = find_route(path)
        exchange.route = route.name
        exchange.envelope = route.envelope or exchange.envelope
        check_method(route, exchange.method, path)
        if self.draining:
            raise ShuttingDown(
                "The server is shutting down. Please try again.",
                retry_after_seconds=RETRY_ELSEWHERE_SECONDS,
            )
        if route.needs_key:
            self._keys.admit(exchange.headers)
        await route.endpoint(self._served, exchange)

    async def _check_deadlines(self) -> None:
        """Look at every running request's deadline; a timer for each event would cost more."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            for exchange in self._running:
                exchange.interruption.check(now)


def create_app(settings: Settings, entry: ModelEntry) -> Gateway:
    """Build the gateway for one model; raises StartError for what cannot be served."""
    return Gateway(settings, entry)
