"""The usage ledger's hot end: takes finished requests at once, has them written behind.

Nothing that the store does or does not do holds up a request: twice a second a task hands what
has come to a daemon thread. While the store is away, requests wait in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from serving.gateway.backlog import Backlog
from serving.gateway.errors import StoreUnavailable
from serving.gateway.metrics.ledger import LedgerMetrics
from serving.gateway.record import Record
from serving.logs import Complaints, describe
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.daemon_thread import in_daemon_thread
from serving.store.usage_access import RowsRefused, StoreFailed, UsageAccess

if TYPE_CHECKING:
    from serving.store.usage import UsageStore

logger = logging.getLogger(__name__)

# What kill -9 loses: this, and the time that a write takes.
WRITE_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 1.0
# A store that is silent for so long counts as failing, and is waited for all the same.
SILENCE_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 10.0
# At the end, for those who read or prune.
LAST_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 3600.0
READ_SECONDS: Final = 5.0
# So many read at once, the others in turn; while a store hangs no more threads wait for it.
MAX_THREADS: Final = 8
RETRY_AFTER_SECONDS: Final = 5

Result = TypeVar("Result")


class Ledger:
    """A book of all requests for an answer whose key is known. Lives in one event loop."""

    name = "ledger"

    def __init__(self, address: Address, settings: StoreSettings, metrics: LedgerMetrics) -> None:
        self._access = UsageAccess(address)
        self._backlog = Backlog(settings.max_unwritten_requests)
        self._days = settings.request_days, settings.rollup_days
        self._metrics = metrics
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._beside: set[asyncio.Future[Any]] = set()
        self._turns = asyncio.Semaphore(MAX_THREADS)
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._complained = False
        self._complaints = Complaints()
        self._dropped = 0
        metrics.unwritten.set_function(lambda: len(self._backlog))
        metrics.lag.set_function(lambda: self._backlog.lag_seconds(time.time()))

    async def open(self) -> None:
        """Start to write; whether the store is there is found out behind."""
        self._tasks = [asyncio.create_task(work) for work in (self._write_on(), self._prune_on())]

    async def close(self) -> None:
        """Write what is left; what the store does not take within seconds is given up."""
        self._closing = True
        self._wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._beside:
            await asyncio.wait(self._beside, timeout=LAST_SECONDS)
        for job in list(self._beside):
            job.cancel()
        self._answer(self._backlog.added)
        self._access.close()
        if self._backlog:
            logger.error(
                "%d requests are not in the usage ledger: the store has not taken them. The access "
                "log has them.",
                len(self._backlog),
            )

    def enter(self, record: Record) -> None:
        """Take a finished request."""
        if not (record.generates and record.known):
            return
        if not self._backlog.add(record):
            self._dropped += 1
            self._metrics.dropped.inc()
        elif self._backlog.is_full_batch:
            self._wake.set()

    def unwritten_cost(self, key_id: str) -> float:
        """Return what a key has spent that is not in the store yet, in USD."""
        return self._backlog.cost(key_id)

    async def flushed(self) -> None:
        """Return once all that was entered before is written, or the store fails."""
        if not self._backlog or self._failing:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._backlog.added, written))
        self._wake.set()
        await written

    async def read(self, work: Callable[[UsageStore], Result]) -> Result:
        """Ask the store in a thread; raises StoreUnavailable where it fails or takes too long."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._turns.acquire()
                job = self._start(work)
                job.add_done_callback(lambda _job: self._turns.release())
                await asyncio.wait({job})
        except TimeoutError:
            raise _unavailable("does not answer") from None
        try:
            return job.result()
        except (StoreFailed, RowsRefused) as error:
            self._complain(str(error))
            raise _unavailable("fails") from None

    def _start(self, work: Callable[[UsageStore], Result]) -> asyncio.Future[Result]:
        """Use the store beside the writing, in a thread of its own."""
        job = in_daemon_thread(lambda: self._access.use(work), "usage")
        self._beside.add(job)
        job.add_done_callback(self._end)
        return job

    def _end(self, job: asyncio.Future[Any]) -> None:
        self._beside.discard(job)
        if not job.cancelled():
            job.exception()  # taken note of, also where nobody waits any more

    async def _write_on(self) -> None:
        """Write again and again, until closing and all is written."""
        await self._try(lambda: self._access.use(lambda _store: None))  # loads, and opens
        while self._backlog or not self._closing:
            if self._failing:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(WRITE_SECONDS):
                        await self._wake.wait()
            self._wake.clear()
            while self._backlog and await self._write_batch():
                pass

    async def _write_batch(self) -> bool:
        """Write the oldest requests; tell whether the store can be asked for more at once."""
        batch, began = self._backlog.batch(), time.perf_counter()
        try:
            if not await self._try(lambda: self._access.write(batch.id, batch.records)):
                return False
        except RowsRefused as error:
            self._refuse(error)
            return True
        self._metrics.write.observe(time.perf_counter() - began)
        self._metrics.written.inc(len(batch.records))
        self._settle()
        return True

    def _refuse(self, error: RowsRefused) -> None:
        """Look for the row that the store does not take, and give up that one alone."""
        self._metrics.failures.inc()
        if (lost := self._backlog.split()) is None:
            return
        self._dropped += 1
        self._metrics.dropped.inc()
        logger.error("request %s cannot be in the usage ledger: %s", lost.id, error)
        self._settle()

    def _settle(self) -> None:
        self._backlog.settle()
        self._answer(self._backlog.settled)

    def _answer(self, settled: int) -> None:
        """Let those go on who wait for the first so many requests."""
        for count, written in self._waiters:
            if count <= settled and not written.done():
                written.set_result(None)
        self._waiters = [waiter for waiter in self._waiters if waiter[0] > settled]

    async def _try(self, work: Callable[[], None]) -> bool:
        """Do it in a thread, however long it takes; tell whether it went well.

        Raises RowsRefused.
        """
        try:
            job = in_daemon_thread(work, "usage-ledger")
            try:
                while not (await asyncio.wait({job}, timeout=SILENCE_SECONDS))[0]:
                    self._fail(f"no answer for {SILENCE_SECONDS:g} s")
                job.result()
            finally:
                job.cancel()
        except RowsRefused:
            raise
        except StoreFailed as error:
            self._fail(str(error))
        except Exception as error:  # the border to the store: whatever fails there, this goes on
            self._fail(describe(error))
        else:
            self._recover()
            return True
        return False

    async def _prune_on(self) -> None:
        """Delete what is too old, now and each hour, beside the writing."""
        while True:
            try:
                prune = self._start(lambda store: store.prune(time.time(), *self._days))
                await asyncio.shield(prune)
            except Exception as error:  # as above; there is another hour
                self._metrics.failures.inc()
                self._complain(str(error) if isinstance(error, StoreFailed) else describe(error))
            await asyncio.sleep(PRUNE_SECONDS)

    def _fail(self, why: str) -> None:
        """Note that the store fails; nobody waits for it then."""
        self._failing = True
        self._metrics.failures.inc()
        self._complain(why)
        self._answer(self._backlog.added)

    def _recover(self) -> None:
        self._failing = False
        if self._complained:
            self._complained = False
            logger.info("the usage ledger is written again")

    def _complain(self, why: str) -> None:
        """Log, at most once a minute, that the store is not well."""
        if self._complaints.due():
            self._complained = True
            logger.warning(
                "the usage ledger's store fails; %d requests wait for it, %d are lost: %s",
                len(self._backlog),
                self._dropped,
                why,
            )


def _unavailable(why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"This server's store {why}. Please try again.", retry_after_seconds=RETRY_AFTER_SECONDS
    )
