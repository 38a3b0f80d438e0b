"""The budgets of keys: who may spend, by what the ledger sums up, asked before the queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from serving.catalogue import Price
from serving.gateway.errors import BudgetUnknown, StoreUnavailable
from serving.gateway.key import Key
from serving.gateway.ledger import Ledger
from serving.gateway.metrics.ledger import LedgerMetrics
from serving.gateway.period import day_of, start_of
from serving.gateway.pricing import cost_of
from serving.gateway.record import Record
from serving.gateway.spending_account import KNOWN_SECONDS, Account, Reading
from serving.gateway.workload import Work
from serving.logs import describe
from serving.options import StoreSettings

if TYPE_CHECKING:
    from serving.store.usage import UsageStore

logger = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 2.0
# When to come back where nothing is known.
RETRY_SECONDS: Final = 5
# What nobody has asked for is forgotten; its next request reads it anew.
KEPT_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall's time, for periods, and a steady one, for the age of readings; in seconds."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Spending:
    """Lets requests in by their keys' budgets, and is the book of what they did cost."""

    name = "spending"

    def __init__(
        self,
        ledger: Ledger | None,
        settings: StoreSettings,
        *,
        price: Price,
        metrics: LedgerMetrics,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._allows_unknown = settings.budget_unknown == "allow"
        self._price = price
        self._metrics = metrics
        self._clock = clock or Clock()
        self._accounts: dict[str, Account] = {}
        self._reading = asyncio.Lock()
        self._away = False

    def knock(self, key: Key) -> None:
        """Raise BudgetExhausted where that is known before a body is read."""
        if key.budget_usd is None:
            return
        account = self._account(key)
        if account.is_known(self._clock.steady()):
            account.check_spent()

    async def admit(self, key: Key, record: Record, work: Work) -> None:
        """Let a request in whose record will be entered here at its end.

        Until then it counts with what it is expected to cost. Raises BudgetExhausted,
        BudgetUnknown or RateLimited.
        """
        if key.budget_usd is None:
            return
        await self._learn(key)
        account = self._account(key)
        if account.is_known(self._clock.steady()):
            account.check()
        elif not self._allows_unknown:
            raise self._unknown()
        account.running[id(record)] = cost_of(work.prompt_tokens, work.output_tokens, self._price)

    def enter(self, record: Record) -> None:
        """Count what a request did cost instead of what was expected."""
        if (account := self._accounts.get(record.key_id)) is not None:
            account.end(id(record), day_of(record.time), record.cost)

    async def run(self) -> None:
        """Read again and again what the keys in use have spent; never ends."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            async with self._reading:
                await self._read()
            self._tell()

    def _account(self, key: Key) -> Account:
        """Return a key's account for the running period, a new one where there is none."""
        now, since = self._clock.steady(), start_of(key.budget_period, self._today())
        account = self._accounts.get(key.id)
        if account is None or account.since != since:
            account = self._accounts[key.id] = Account(key, since, now)
        account.key, account.asked_at = key, now
        return account

    async def _learn(self, key: Key) -> None:
        """Read what is unknown, once for all who wait; nobody waits for a store that is away."""
        if self._away or self._account(key).is_known(self._clock.steady()):
            return
        async with self._reading:
            if not (self._away or self._account(key).is_known(self._clock.steady())):
                await self._read()

    async def _read(self) -> None:
        """Read what the keys in use have spent; where that fails the last readings grow old."""
        self._forget()
        if (ledger := self._ledger) is None:
            return
        if any(each.reading is None for each in self._used):
            await ledger.flushed()  # what is not written yet may be of the period before
        began, used = self._clock.steady(), self._used
        if not used:
            return
        asked = [(each.key.id, each.since) for each in used]
        written = [each.entered - ledger.unwritten_cost(each.key.id) for each in used]

        def sum_up(store: UsageStore) -> list[float]:
            return [store.spent(key_id, since) for key_id, since in asked]

        try:
            sums = await ledger.read(sum_up)
        except StoreUnavailable as error:
            self._note(error.message)
            return
        except Exception as error:  # the border to the store: whatever fails there, this goes on
            self._note(describe(error))
            return
        for account, usd, part in zip(used, sums, written, strict=True):
            account.reading = Reading(usd, part, began)
        self._note(None)

    def _tell(self) -> None:
        self._metrics.tell_budgets(
            (each.key.name, each.spent / each.limit)
            for each in self._accounts.values()
            if each.reading is not None
        )

    @property
    def _used(self) -> list[Account]:
        since = self._clock.steady() - KNOWN_SECONDS
        return [each for each in self._accounts.values() if each.asked_at >= since]

    def _forget(self) -> None:
        """Drop what belongs to a past period, or was not asked for in a long time."""
        today, now = self._today(), self._clock.steady()
        for key_id, account in list(self._accounts.items()):
            past = account.since != start_of(account.key.budget_period, today)
            if past or now - account.asked_at > KEPT_SECONDS:
                del self._accounts[key_id]

    def _note(self, problem: str | None) -> None:
        """Log when the store is lost, and when it is back."""
        if problem is not None and not self._away:
            logger.warning("what keys with a budget have spent cannot be read: %s", problem)
        if problem is None and self._away:
            logger.info("what keys with a budget have spent can be read again")
        self._away = problem is not None

    def _unknown(self) -> BudgetUnknown:
        why = "cannot be read at the moment" if self._ledger else "is not kept by this server"
        return BudgetUnknown(
            f"This API key has a budget, and what it has spent {why}. Retry in {RETRY_SECONDS} s, "
            "or ask this server's operator.",
            retry_after_seconds=RETRY_SECONDS,
        )

    def _today(self) -> date:
        return day_of(self._clock.wall())
