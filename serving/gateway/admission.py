"""A request's way to the engine: past its key's limits, through the line, and out of it again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import (
    EngineRefused,
    EngineTimeout,
    GatewayError,
    Overloaded,
    ShuttingDown,
)
from serving.gateway.exchange import Exchange
from serving.gateway.fair_queue import Entry
from serving.gateway.interruption import Phase
from serving.gateway.key import Key
from serving.gateway.line import Capacity, Line
from serving.gateway.metrics.admission import AdmissionMetrics
from serving.gateway.rate_account import Charge
from serving.gateway.rate_limit import RateLimits
from serving.gateway.record import Record
from serving.gateway.spending import Spending
from serving.gateway.timeline import Stage
from serving.gateway.workload import Forecast, Work
from serving.options import Settings

# A count takes the engine a fraction of a second.
COUNT_RETRY_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What each key may take: requests and tokens a minute, and USD."""

    rates: RateLimits
    spending: Spending


class Admission:
    """Lets requests to the engine; one line for all of them."""

    def __init__(
        self,
        settings: Settings,
        *,
        forecast: Forecast,
        watch: EngineWatch,
        limits: KeyLimits,
        metrics: AdmissionMetrics,
    ) -> None:
        self._watch = watch
        self._limits = limits
        self._metrics = metrics
        self._max_tokens = settings.gateway.max_running_tokens
        self._line = Line(_capacity(settings))
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._counts = 0
        self.forecast = forecast

    def knock(self, key: Key) -> None:
        """Raise BudgetExhausted or Overloaded where all would be in vain, before a body is read."""
        tokens = self._max_tokens or self._watch.kv_cache_tokens
        if tokens and tokens != self._line.capacity.tokens:  # an engine has started
            self._line.capacity = replace(self._line.capacity, tokens=tokens)
        with self._counted():
            self._limits.spending.knock(key)
            self._line.knock(_now(), key)

    @asynccontextmanager
    async def charge(self, exchange: Exchange, tokens: int) -> AsyncIterator[Charge]:
        """Charge a request to its key, what it really took at the end; raises RateLimited.

        Where the server failed nothing is charged, and no tokens where the engine refused. Who
        hangs up early pays what was expected.
        """
        with self._counted():
            charge = await self._limits.rates.admit(exchange.key, tokens)
        exchange.headers_out += charge.headers
        try:
            yield charge
            _settle(charge, exchange)
        except EngineRefused:
            charge.settle(0)
            raise
        except Exception:
            charge.refund()
            raise
        except asyncio.CancelledError:
            if isinstance(exchange.interruption.error, EngineTimeout | ShuttingDown):
                charge.refund()
            else:
                _settle(charge, exchange)
            raise
        finally:
            charge.close()

    @asynccontextmanager
    async def admit(self, exchange: Exchange, work: Work) -> AsyncIterator[None]:
        """Hold a place at the engine within the block.

        Raises BudgetExhausted, BudgetUnknown, RateLimited or Overloaded.
        """
        with self._counted():
            await self._limits.spending.admit(exchange.key, exchange.record, work)
        async with self.charge(exchange, work.tokens) as charge:
            try:
                with self._counted():
                    entry = await self._wait(exchange, work)
            except asyncio.CancelledError:
                charge.refund()
                raise
            finished = False
            try:
                yield
                finished = True
                self._learn(exchange, entry.work)
            except Overloaded as error:
                # The engine's queue is full although ours was not: others use it, too.
                self._metrics.refusals.labels(error.code).inc()
                error.retry_after_seconds = self._line.retry_seconds(entry.flow)
                raise
            finally:
                self._release(entry, finished=finished)

    @contextmanager
    def count(self) -> Iterator[None]:
        """Hold a place for a prompt that the engine only counts; raises Overloaded.

        There are as many as for requests that run or wait: all of these may have to be counted.
        """
        with self._counted():
            if self._counts >= self._line.capacity.sequences + self._line.capacity.queued:
                raise Overloaded(
                    "The server counts as many prompts as it can. Please try again later.",
                    retry_after_seconds=COUNT_RETRY_SECONDS,
                )
        self._counts += 1
        try:
            yield
        finally:
            self._counts -= 1

    async def _wait(self, exchange: Exchange, work: Work) -> Entry:
        entry = self._line.join(_now(), exchange.key, work)
        exchange.journal.enter(Stage.QUEUED)
        turn = self._turns[entry.turn] = asyncio.get_running_loop().create_future()
        self._call()
        arrived = _now()
        seconds = self._line.capacity.queue_seconds
        exchange.interruption.enter(Phase(seconds, lambda: self._too_late(entry)))
        try:
            await turn
        except BaseException:
            if self._turns.pop(entry.turn, None):
                self._line.leave(entry)
                self._call()  # whoever stood behind it may need less room
            else:
                self._release(entry, finished=False)
            raise
        exchange.interruption.leave()
        self._metrics.queue_wait.observe(_now() - arrived)
        self._metrics.admitted.inc()
        self._note_load(exchange.record)
        return entry

    def _note_load(self, record: Record) -> None:
        record.admitted = True
        record.running_sequences = self._line.sequences
        record.queued_requests = len(self._line.queue)
        record.kv_cache_usage = self._watch.kv_cache_usage

    def _learn(self, exchange: Exchange, work: Work) -> None:
        if (usage := exchange.journal.seen.usage) is not None:
            self.forecast.learn(usage, work.sequences)
        if (seconds := exchange.journal.engine_first_token_seconds) is not None:
            self._line.rate.add_first_token(seconds)

    def _release(self, entry: Entry, *, finished: bool) -> None:
        self._line.finish(_now(), entry, finished=finished)
        self._call()

    def _call(self) -> None:
        """Send to the engine whom it has room for."""
        while (entry := self._line.call(_now())) is not None:
            turn = self._turns.pop(entry.turn)
            if not turn.done():  # else it was given up just now, and gives its place back
                turn.set_result(None)
        self._count()

    def _count(self) -> None:
        self._metrics.queued.set(len(self._line.queue))
        self._metrics.at_engine.set(self._line.sequences)
        self._metrics.tokens_at_engine.set(self._line.tokens)

    def _too_late(self, entry: Entry) -> Overloaded:
        self._metrics.refusals.labels("waited").inc()
        return Overloaded(
            "The server was busy for too long. Please try again later.",
            retry_after_seconds=self._line.retry_seconds(entry.flow, entry.work.units),
        )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except GatewayError as error:
            self._metrics.refusals.labels(error.code).inc()
            raise


def _settle(charge: Charge, exchange: Exchange) -> None:
    """Charge what the engine has counted, if it has."""
    if (usage := exchange.journal.seen.usage) is not None:
        charge.settle(usage.prompt_tokens + usage.output)


def _capacity(settings: Settings) -> Capacity:
    gateway, sequences = settings.gateway, settings.engine.max_num_seqs
    queued = gateway.max_queued_requests
    return Capacity(
        sequences=gateway.max_running_requests or sequences,
        tokens=gateway.max_running_tokens or inf,
        queued=2 * sequences if queued is None else queued,
        queue_seconds=gateway.max_queue_seconds,
    )


def _now() -> float:
    return time.perf_counter()
