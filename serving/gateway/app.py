"""The gateway: a request's path from its socket to its endpoint, and the admin port beside it."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from serving.catalogue import ModelEntry
from serving.gateway.admin import Admin
from serving.gateway.admission import Admission, KeyLimits
from serving.gateway.books import AccessLog, Books
from serving.gateway.build import Build
from serving.gateway.control import Control, control_path
from serving.gateway.drain import Drain, Phase, Report
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import CutOff, ShuttingDown
from serving.gateway.exchange import Common, Exchange, Receive, Scope, Send
from serving.gateway.head import check_head, check_host
from serving.gateway.keys import load_keys
from serving.gateway.ledger import Ledger
from serving.gateway.media import MediaFetcher
from serving.gateway.memory_budget import MemoryBudget
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.rate_limit import rate_limits
from serving.gateway.recent import Recent
from serving.gateway.record import Book
from serving.gateway.relay import Relay
from serving.gateway.routes import ROUTES, check_method, find_route
from serving.gateway.served import ServedModel
from serving.gateway.spending import Spending
from serving.gateway.tls import Certificate
from serving.gateway.tracing import Tracer
from serving.gateway.upstream import Engine
from serving.gateway.workload import Forecast
from serving.options import Settings
from serving.store.address import Address

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.25
RETRY_ELSEWHERE_SECONDS: Final = 5


class Gateway:
    """An ASGI application with a life: opened before the first request, drained at the end."""

    def __init__(self, settings: Settings, entry: ModelEntry) -> None:
        self.settings = settings.gateway
        self._keys = load_keys(settings)
        self._began = time.perf_counter()
        self._phases: set[str] = set()
        self._metrics = GatewayMetrics(self.settings.max_key_labels)
        build = Build.of(settings, entry)
        self._metrics.state.tell_build(build)
        self._metrics.requests.expect(route.name for route in ROUTES.values() if route.generates)
        self._engine = Engine(settings.engine.listen, self.settings)
        self._media = MediaFetcher(self.settings, settings.engine, self._metrics.media)
        self._watch = EngineWatch(
            self._engine, entry.id, self.settings.watchdog_seconds, self._engine_is_ready
        )
        self._limits = rate_limits(settings.store, self._metrics.state.rate_limit_leases_stale)
        self._ledger = _ledger(settings, self._metrics)
        self._spending = Spending(
            self._ledger, settings.store, price=entry.price, metrics=self._metrics.ledger
        )
        books: list[Book] = [self._metrics.requests, AccessLog(), self._spending]
        if self._ledger is not None:
            books.append(self._ledger)
        self._tracer = Tracer(settings, self._metrics.ledger)
        self._common = Common(
            self.settings,
            self._metrics,
            MemoryBudget(self.settings.max_inflight_bytes),
            Books(books, self._metrics.requests.book_failures),
            self._tracer,
        )
        self._served = ServedModel(
            entry=entry,
            build=build,
            admission=Admission(
                settings,
                forecast=Forecast(thinks=entry.thinks),
                watch=self._watch,
                limits=KeyLimits(self._limits, self._spending),
                metrics=self._metrics.admission,
            ),
            limits=self.settings,
            watch=self._watch,
            relay=Relay(self._engine, self._watch, self.settings.idle_timeout_seconds),
            media=self._media,
            keys=self._keys,
            ledger=self._ledger,
            recent=Recent(),
            created=int(time.time()),
        )
        self._running: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._life = AsyncExitStack()
        self.certificate = Certificate.load(self.settings, self._metrics.state)
        self.background: set[asyncio.Task[None]] = set()
        self._drain = Drain(self.settings.drain_grace_seconds, self.settings.drain_seconds)
        self.admin = Admin(self._watch, self._engine, self._metrics, self._leaving)
        self.control_path = control_path(settings)
        self.control = Control(self.begin_drain, self.drain_report)

    async def __aenter__(self) -> Self:
        """Open connections and start to watch the engine."""
        self._life.callback(self._keys.close)
        for part in (self._ledger, self._tracer, self._engine, self._media, self._limits):
            if part is None:
                continue
            await part.open()
            self._life.push_async_callback(part.close)
        self._metrics.engine.watch(self._watch.unready, self._watch.hung)
        self._tell_startup("listening")
        for work in (
            self._watch.run(),
            self._tick(),
            self._keys.run(self._metrics.state.key_source_stale),
            self._spending.run(),
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
        self._metrics.requests.running.set(len(self._running))
        try:
            with exchange.interruption:
                await self._serve(scope, exchange)
        except Exception as error:  # the one border: every failure gets its answer
            await exchange.fail(error)
        finally:
            self._running.discard(exchange)
            self._metrics.requests.running.set(len(self._running))
            if not self._running:
                self._idle.set()
            exchange.finish()

    def _engine_is_ready(self) -> None:
        self._metrics.engine.starts.inc()
        self._metrics.state.tell_build(self._served.build, self._watch.engine_version or "")
        self._tell_startup("ready")

    def _tell_startup(self, phase: str) -> None:
        """Note when a phase of the start ended, the first time."""
        if phase not in self._phases:
            self._phases.add(phase)
            seconds = time.perf_counter() - self._began
            self._metrics.engine.startup.labels(phase).set(seconds)

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
        cut_off = sum(
            exchange.interruption.interrupt(
                CutOff(
                    "The server is shutting down and could not finish this answer.",
                    retry_after_seconds=RETRY_ELSEWHERE_SECONDS,
                )
            )
            for exchange in self._running
        )
        self._drain.cut_off += cut_off
        self._metrics.state.cut_off.inc(cut_off)

    def _leaving(self) -> str | None:
        report = self.drain_report()
        if report.phase is Phase.SERVING:
            return None
        return f"the gateway is draining ({report.phase}), {report.requests} requests running"

    async def _serve(self, scope: Scope, exchange: Exchange) -> None:
        route = find_route(scope["path"])
        exchange.record.route, exchange.record.generates = route.name, route.generates
        exchange.envelope = route.envelope or exchange.envelope
        check_head(scope)
        check_method(route, exchange.method)
        if not self._keys.needed:
            check_host(exchange.headers)
        if self._drain.phase(_now()) in {Phase.REFUSING, Phase.CUTTING}:
            raise ShuttingDown(
                "The server is shutting down. Please try again.",
                retry_after_seconds=RETRY_ELSEWHERE_SECONDS,
            )
        if route.needs_key:
            exchange.know(self._keys.find(exchange.headers))
        exchange.limit_time()
        if route.generates:
            exchange.record.model = self._served.entry.id
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
            phase = self._drain.phase(now)
            self._metrics.state.set_phase(phase)
            self._metrics.state.drain_used.set(self._drain.used(now) if self._running else 0)
            if phase is Phase.CUTTING:
                self.cut_off()


def _ledger(settings: Settings, metrics: GatewayMetrics) -> Ledger | None:
    store = settings.store
    return Ledger(Address.of(store), store, metrics.ledger) if store.usage else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def create_app(settings: Settings, entry: ModelEntry) -> Gateway:
    """Build the gateway for one model; raises StartError for what cannot be served."""
    return Gateway(settings, entry)
