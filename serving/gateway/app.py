"""The gateway: a request's path from its socket to its endpoint, and the admin port beside it."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from serving.catalogue import ModelEntry
from serving.gateway.admin import Admin
from serving.gateway.admission import Admission
from serving.gateway.control import Control, control_path
from serving.gateway.drain import Drain, Phase, Report
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import ShuttingDown
from serving.gateway.exchange import Common, Exchange, Receive, Scope, Send
from serving.gateway.head import check_head
from serving.gateway.keys import load_keys
from serving.gateway.media import MediaFetcher
from serving.gateway.memory_budget import MemoryBudget
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.rate_limit import rate_limits
from serving.gateway.relay import Relay
from serving.gateway.routes import check_method, find_route
from serving.gateway.served import ServedModel
from serving.gateway.tls import Certificate
from serving.gateway.upstream import Engine
from serving.gateway.workload import Forecast
from serving.options import Settings

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.25
RETRY_ELSEWHERE_SECONDS: Final = 5


class Gateway:
    """An ASGI application with a life: opened before the first request, drained at the end."""

    def __init__(self, settings: Settings, entry: ModelEntry) -> None:
        self.settings = settings.gateway
        self._keys = load_keys(settings)
        self._metrics = GatewayMetrics()
        self._engine = Engine(settings.engine.listen, self.settings)
        self._media = MediaFetcher(self.settings, settings.engine)
        self._watch = EngineWatch(self._engine, entry.id, self.settings.watchdog_seconds)
        self._limits = rate_limits(settings.store, self._metrics.rate_limit_leases_stale)
        memory = MemoryBudget(self.settings.max_inflight_bytes)
        self._common = Common(self.settings, self._metrics, memory)
        self._served = ServedModel(
            entry=entry,
            admission=Admission(
                settings,
                forecast=Forecast(thinks=entry.thinks),
                watch=self._watch,
                limits=self._limits,
                metrics=self._metrics,
            ),
            limits=self.settings,
            watch=self._watch,
            relay=Relay(self._engine, self._watch, self.settings.idle_timeout_seconds),
            media=self._media,
            keys=self._keys,
            created=int(time.time()),
        )
        self._running: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._life = AsyncExitStack()
        self.certificate = Certificate.load(self.settings, self._metrics)
        self.background: set[asyncio.Task[None]] = set()
        self._drain = Drain(self.settings.drain_grace_seconds, self.settings.drain_seconds)
        self.admin = Admin(self._watch, self._engine, self._metrics, self._leaving)
        self.control_path = control_path(settings)
        self.control = Control(self.begin_drain, self.drain_report)

    async def __aenter__(self) -> Self:
        """Open connections and start to watch the engine."""
        self._life.callback(self._keys.close)
        for part in (self._engine, self._media, self._limits):
            await part.open()
            self._life.push_async_callback(part.close)
        for work in (
            self._watch.run(),
            self._tick(),
            self._keys.run(self._metrics.key_source_stale),
            *((self.certificate.watch(),) if self.certificate else ()),
        ):
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
        exchange = Exchange(scope, receive, send, self._common)
        self._running.add(exchange)
        self._idle.clear()
        self._metrics.running.set(len(self._running))
        try:
            with exchange.interruption:
                await self._serve(scope, exchange)
        except Exception as error:  # the one border: every failure gets its answer
            await exchange.fail(error)
        finally:
            self._running.discard(exchange)
            self._metrics.running.set(len(self._running))
            if not self._running:
                self._idle.set()
            exchange.finish()

    def begin_drain(self) -> None:
        """Be not ready, then refuse new requests, then cut off running ones: see `Drain`."""
        self._drain.begin(_now(), self._watch.present)
        logger.info("draining: %d requests running", len(self._running))

    def drain_report(self) -> Report:
        """Return how far the drain is."""
        return self._drain.report(_now(), len(self._running))

    async def drain(self) -> None:
        """Refuse new requests for good, and wait until none is left."""
        self._drain.insist(_now())
        logger.info("shutting down: %d requests running", len(self._running))
        await self._idle.wait()

    def cut_off(self) -> None:
        """End all running requests with an error that says why."""
        self._drain.cut_off += sum(
            exchange.interruption.interrupt(
                ShuttingDown(
                    "The server is shutting down and could not finish this answer.",
                    retry_after_seconds=RETRY_ELSEWHERE_SECONDS,
                )
            )
            for exchange in self._running
        )

    def _leaving(self) -> str | None:
        report = self.drain_report()
        if report.phase is Phase.SERVING:
            return None
        return f"the gateway is draining ({report.phase}), {report.requests} requests running"

    async def _serve(self, scope: Scope, exchange: Exchange) -> None:
        route = find_route(scope["path"])
        exchange.route = route.name
        exchange.envelope = route.envelope or exchange.envelope
        check_head(scope)
        check_method(route, exchange.method)
        if self._drain.phase(_now()) in {Phase.REFUSING, Phase.CUTTING}:
            raise ShuttingDown(
                "The server is shutting down. Please try again.",
                retry_after_seconds=RETRY_ELSEWHERE_SECONDS,
            )
        if route.needs_key:
            exchange.key = self._keys.find(exchange.headers)
        exchange.limit_time()
        if route.generates:
            self._watch.require_sound()
            self._served.admission.knock(exchange.key)
        await route.endpoint(self._served, exchange)

    async def _tick(self) -> None:
        """Look at deadlines and at the drain; a timer for each event would cost more."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = _now()
            for exchange in self._running:
                exchange.interruption.check(now)
            if self._drain.renew(self._watch.answers_as):
                logger.info("another engine answers: the drain is over")
            if self._drain.phase(now) is Phase.CUTTING:
                self.cut_off()


def _now() -> float:
    return asyncio.get_running_loop().time()


def create_app(settings: Settings, entry: ModelEntry) -> Gateway:
    """Build the gateway for one model; raises StartError for what cannot be served."""
    return Gateway(settings, entry)
