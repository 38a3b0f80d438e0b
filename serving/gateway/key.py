"""An API key as the gateway knows it: whose it is, what it may do, never its text."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from serving.gateway.period import Period


class Priority(StrEnum):
    """The class that a key's requests wait in; the engine gets its rank, lower first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Return what vLLM's priority scheduling sorts by."""
        return {Priority.HIGH: -1, Priority.NORMAL: 0, Priority.LOW: 1}[self]

    @property
    def engine_fields(self) -> dict[str, int]:
        """Return what the engine is told of it: nothing, where that is the default."""
        return {"priority": self.rank} if self.rank else {}


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its limits; None is no limit. All times are in seconds since the epoch.

    After a rotation the text before it goes on working, by its own digest, until its own end.
    """

    id: str
    name: str
    digest: bytes  # SHA-256 of the text: it has 256 random bits, so no slow hash is needed
    owner: str = ""
    models: tuple[str, ...] = ()  # none: all
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    budget_usd: float | None = None
    budget_period: Period | None = None  # none: the budget is for ever
    expires_at: float | None = None
    priority: Priority = Priority.NORMAL
    admin: bool = False
    created_at: float | None = None
    revoked_at: float | None = None
    previous_digest: bytes | None = None
    previous_expires_at: float | None = None

    @property
    def budget(self) -> str:
        """Write its budget for people."""
        if self.budget_usd is None:
            return "any sum"
        until = f"a {self.budget_period.unit}" if self.budget_period else "in all"
        return f"{usd(self.budget_usd)} {until}"

    def state(self, now: float) -> str:
        """Return "live", "revoked" or "expired"."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else "live"


def digest(text: bytes) -> bytes:
    """Return what is kept of a key's text."""
    return hashlib.sha256(text).digest()


def usd(amount: float) -> str:
    """Write a sum for people, without digits that say nothing."""
    return f"{amount:,.12g} USD"


# Whoever asks where no key is needed.
ANYBODY: Final = Key(id="anybody", name="anybody", digest=b"")
