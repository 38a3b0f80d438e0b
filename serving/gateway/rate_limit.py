"""The limits of all keys: exact in this gateway alone, or shared with others over one store."""

from collections.abc import Callable
from typing import Self

from prometheus_client import Gauge

from serving.gateway.key import Key
from serving.gateway.rate_account import Account, Charge
from serving.gateway.rate_window import Clock
from serving.options import StoreSettings
from serving.store.address import Address


def whole(limit: int) -> int:
    """Return how much of a limit one gateway has where there is no other: all."""
    return limit


class RateLimits:
    """Lets requests in by the limits of their keys. Counts in this process alone."""

    def __init__(self, clock: Clock | None = None, base: Callable[[int], int] = whole) -> None:
        self.clock = clock or Clock()
        self.accounts: dict[str, Account] = {}
        self._base = base
        self._swept = 0

    async def open(self) -> Self:
        """Get ready for the first request."""
        return self

    async def close(self) -> None:
        """Give back what is held of shared limits."""

    async def admit(self, key: Key, tokens: int) -> Charge:
        """Let a request in that is expected to take so many tokens; raises RateLimited."""
        if not is_limited(key):
            return Charge([])
        return self.account(key.id).charge(key, tokens)

    def account(self, key_id: str) -> Account:
        """Return a key's account, a new one where nothing is known of it."""
        if (minute := self.clock.minute()) != self._swept:
            self._swept = minute
            self._forget()
        if key_id not in self.accounts:
            self.accounts[key_id] = Account(key_id, self.clock, self._base, changed=self.changed)
        return self.accounts[key_id]

    def changed(self, account: Account) -> None:
        """Hear that something was charged or given back."""

    def _forget(self) -> None:
        """Drop the accounts of keys that are not in use."""
        for key_id, account in list(self.accounts.items()):
            account.turn()
            if account.blank:
                del self.accounts[key_id]


def rate_limits(store: StoreSettings, stale: Gauge) -> RateLimits:
    """Return limits that are shared where the store is PostgreSQL; raises StartError."""
    address = Address.of(store)
    if address.path is not None:
        return RateLimits()
    from serving.gateway.rate_lease import leased  # noqa: PLC0415 — see `address`

    return leased(address, stale)


def is_limited(key: Key) -> bool:
    """Tell whether a key has any limit."""
    return (
        key.requests_per_minute is not None
        or key.tokens_per_minute is not None
        or key.max_concurrent is not None
    )
