"""Limits shared by gateways on one PostgreSQL: a task leases what this one is asked for.

Every gateway holds a part of each minute's limit and asks for more as it is used. A lease that a
request waits for asks for all that wait; the tick gives back what is not used, so demand may
move from one gateway to another. A slot of a running request is leased and given back with it.

Where the store does not answer, each gateway goes on with its part of the limit: the limit
divided by the number of gateways last heard of.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client import Gauge

from serving.gateway.errors import RateLimited
from serving.gateway.key import Key
from serving.gateway.rate_account import Account, Charge
from serving.gateway.rate_errand import (
    Errand,
    Waiter,
    fill,
    leftovers,
    needs_of,
    orders_of,
    wishes_of,
)
from serving.gateway.rate_limit import RateLimits, is_limited
from serving.gateway.rate_window import Clock
from serving.store.address import Address
from serving.store.daemon_thread import in_daemon_thread
from serving.store.database import open_store, reason
from serving.store.leases import LeaseBook, Order

logger = logging.getLogger(__name__)

# The first answer may have to wait for the tables to be made.
START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a gateway is heard of, and when it is given up."""

    tick_seconds: float = 1.0  # unused leases go back
    slot_retry_seconds: float = 0.2  # a full key's slots are asked for again
    beat_seconds: float = 5.0
    expiry_seconds: float = 20.0  # a killed gateway's slots go back
    answer_seconds: float = 2.0  # a store that takes longer is taken for away


class LeasedRateLimits(RateLimits):
    """Lets requests in by limits that several gateways share."""

    def __init__(
        self,
        book: LeaseBook,
        stale: Gauge,
        *,
        clock: Clock | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(clock, self._share)
        self._book = book
        self._stale = stale
        self._timing = timing or Timing()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._asked = asyncio.Event()
        self._waiters: list[Waiter] = []
        self._touched: set[Account] = set()
        self._closing = False
        self._next_beat = 0.0
        self._job: asyncio.Future[None] | None = None
        self.gateways = 1
        self.away = True

    async def open(self) -> Self:
        """Be heard of, and wait until the store has answered or counts as away."""
        self._task = asyncio.create_task(self._run())
        await self._asked.wait()
        return self

    async def close(self) -> None:
        """Give back all that is held, if the store answers."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        orders = [order for account in self.accounts.values() for order in leftovers(account)]
        with suppress(Exception):  # all of it lapses by itself
            await self._ask(lambda: self._leave(orders))
        self.away = True
        self._answer(self._waiters)

    async def admit(self, key: Key, tokens: int) -> Charge:
        """Let a request in that is expected to take so many tokens; raises RateLimited."""
        if not is_limited(key):
            return Charge([])
        account = self.account(key.id)
        if self.away or account.covers(key, tokens) or account.hopeless(key, tokens, _now()):
            return account.charge(key, tokens)
        waiter = Waiter(account, key, tokens)
        account.waiting += 1
        self._waiters.append(waiter)
        self._wake.set()
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            _undo(waiter.answer)
            raise

    def changed(self, account: Account) -> None:
        """See that an account gets what it needs, and keeps nothing else."""
        if not self.away and account.wanting:
            self._touched.add(account)
            self._wake.set()

    def _share(self, limit: int) -> int:
        return max(1, limit // self.gateways) if self.away else 0

    async def _run(self) -> None:
        next_tick = 0.0
        while not self._closing:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_tick):
                    await self._wake.wait()
            self._wake.clear()
            ticked = _now() >= next_tick
            if ticked:
                next_tick = _now() + self._timing.tick_seconds
            await self._go(ticked)

    async def _go(self, ticked: bool) -> None:
        """Ask the store for what is needed now, and answer those who waited for it."""
        waiters, self._waiters = self._waiters, []
        anew = self.away
        try:
            errand = self._errand(waiters, ticked)
            if not errand.is_empty:
                await self._ask(lambda: errand.run(self._book, anew))
                self._take(errand)
        except Exception as error:  # the border to the store: whatever fails there, this goes on
            self._lose(error)
        if self.away:
            waiters, self._waiters = waiters + self._waiters, []
        self._answer(waiters)
        self._asked.set()

    def _errand(self, waiters: Sequence[Waiter], ticked: bool) -> Errand:
        """Return what to ask: a sign of life at times, leases and slots while there are any."""
        beat = ticked and (self.away or _now() >= self._next_beat)
        errand = Errand(self.clock.minute(), beat, [], [])
        touched, self._touched = self._touched, set()
        if self.away:
            return errand
        touched.update(waiter.account for waiter in waiters)
        if ticked:
            touched.update(self.accounts.values())
        needs = needs_of(waiters)
        for account in touched:
            account.turn()
            errand.orders += [(account, o) for o in orders_of(account, needs[account], ticked)]
            errand.wishes += [(account, w) for w in wishes_of(account, needs[account], beat)]
        return errand

    async def _ask(self, work: Callable[[], None]) -> None:
        """Do it in a thread, one thing at a time; raises what it raises, and TimeoutError."""
        if self._job is not None and not self._job.done():
            raise TimeoutError("no answer yet")
        self._job = in_daemon_thread(work, "rate-limit-leases")
        patience = self._timing.answer_seconds if self._asked.is_set() else START_SECONDS
        done, _ = await asyncio.wait({self._job}, timeout=patience)
        if not done:
            self._job.add_done_callback(_hear)
            raise TimeoutError(f"no answer in {patience:g} s")
        self._job.result()

    def _take(self, errand: Errand) -> None:
        """Note what the store has said."""
        if errand.gateways is not None:
            self.gateways = errand.gateways
            self._next_beat = _now() + self._timing.beat_seconds
        if self.away:
            self.away = False
            self._stale.set(0)
            logger.info("keys' limits are shared by %d gateways", self.gateways)
            self._touched.update(self.accounts.values())
            self._wake.set()
        for (account, order), grant in zip(errand.orders, errand.grants, strict=True):
            fill(account.windows[order.unit], order, grant)
        for (account, wish), slots in zip(errand.wishes, errand.slots, strict=True):
            account.slots = slots
            if slots < wish.wanted:
                account.closed_until = _now() + self._timing.slot_retry_seconds

    def _lose(self, error: Exception) -> None:
        """Go on without the store; said once."""
        if not (self.away and self._asked.is_set()):
            logger.warning(
                "keys' limits cannot be leased from the store, this gateway goes on with 1/%d of "
                "each: %s",
                self.gateways,
                reason(error),
            )
        self.away = True
        self._stale.set(1)
        for account in self.accounts.values():
            account.slots = 0

    def _answer(self, waiters: Iterable[Waiter]) -> None:
        """Let in those who wait, in their order, or refuse them."""
        for waiter in waiters:
            waiter.account.waiting -= 1
            if waiter.answer.done():
                continue
            try:
                waiter.answer.set_result(waiter.account.charge(waiter.key, waiter.tokens))
            except RateLimited as error:
                waiter.answer.set_exception(error)
                self.changed(waiter.account)

    def _leave(self, orders: Sequence[Order]) -> None:
        try:
            if not self.away:
                self._book.trade(orders)
                self._book.leave()
        finally:
            self._book.close()


def leased(store: Address, stale: Gauge) -> LeasedRateLimits:
    """Return limits that are shared by all gateways on this PostgreSQL."""
    book = LeaseBook(lambda: open_store(store), secrets.token_hex(8), Timing().expiry_seconds)
    return LeasedRateLimits(book, stale)


def _undo(answer: asyncio.Future[Charge]) -> None:
    """Take back what was charged to a request that has gone in the meantime."""
    if answer.done() and not answer.cancelled() and answer.exception() is None:
        answer.result().refund()
        answer.result().close()


def _hear(job: asyncio.Future[None]) -> None:
    """Take note of how a job ended that nobody waits for any more."""
    if not job.cancelled():
        job.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
