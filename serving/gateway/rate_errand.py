"""What a gateway asks of the store for its keys at one time, and what it does with the answer."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from serving.gateway.key import Key
from serving.gateway.rate_account import Account, Charge
from serving.gateway.rate_window import Window
from serving.store.leases import Grant, LeaseBook, Order, Wish

SLOTS: Final = "slots"


@dataclass(slots=True)
class Waiter:
    """A request that needs a lease."""

    account: Account
    key: Key
    tokens: int
    answer: asyncio.Future[Charge] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class Errand:
    """What is asked of the store at one time, and what it said."""

    minute: int
    beat: bool
    orders: list[tuple[Account, Order]]
    wishes: list[tuple[Account, Wish]]
    gateways: int | None = None
    grants: list[Grant] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to ask."""
        return not (self.beat or self.orders or self.wishes)

    def run(self, book: LeaseBook, anew: bool) -> None:
        """Ask, in a thread; anew after a time in which the store did not answer."""
        if anew:
            book.release()
        if self.beat:
            self.gateways = book.beat(self.minute)
        self.grants = book.trade([order for _, order in self.orders])
        self.slots = book.hold([wish for _, wish in self.wishes])


def needs_of(waiters: Iterable[Waiter]) -> defaultdict[Account, Counter[str]]:
    """Return what all who wait ask of each account."""
    needs: defaultdict[Account, Counter[str]] = defaultdict(Counter)
    for waiter in waiters:
        needs[waiter.account].update(waiter.account.demands(waiter.key, waiter.tokens))
        needs[waiter.account][SLOTS] += 1
    return needs


def orders_of(account: Account, needs: Counter[str], ticked: bool) -> Iterator[Order]:
    """Yield what to lease for an account and, at a tick, what to give back."""
    for unit, window in account.windows.items():
        if ticked:
            window.tick()
        amount = 0 if window.closed and not needs[unit] else window.lacking(needs[unit])
        if ticked and not amount:
            amount = -window.surplus
            window.leased += amount
        if amount:
            yield Order(account.key_id, unit, window.minute, window.limit, amount)


def wishes_of(account: Account, needs: Counter[str], beat: bool) -> Iterator[Wish]:
    """Yield how many slots an account needs, if it holds others, and at a beat in any case.

    Until the answer it has only those that it keeps whatever the answer is.
    """
    limit = account.max_concurrent
    wanted = account.running + needs[SLOTS] if limit is not None else 0
    if wanted != account.slots or (beat and wanted):
        kept = min(wanted, account.running)
        account.slots = kept
        yield Wish(account.key_id, limit or 0, kept, wanted)


def fill(window: Window, order: Order, grant: Grant) -> None:
    """Put a lease into the minute it is for."""
    if window.minute != order.minute:
        return
    window.elsewhere = max(0, order.limit - grant.taken)
    if order.amount > 0:
        window.leased += grant.amount
        window.closed = grant.amount < order.amount


def leftovers(account: Account) -> Iterator[Order]:
    """Yield what goes back of an account when the gateway stops."""
    account.turn()
    for unit, window in account.windows.items():
        if (unused := min(window.left, window.leased)) > 0:
            yield Order(account.key_id, unit, window.minute, window.limit, -unused)
