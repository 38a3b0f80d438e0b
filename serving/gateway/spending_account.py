"""What one key has spent of its budget, as far as one gateway knows. Pure: times are handed in.

The store's sum is read every few seconds. Between two readings counts what this gateway has
entered in the ledger; what of that was written when a reading began is in its sum already. What
other gateways spend is seen by the next reading.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from serving.gateway.answer import COST_DIGITS
from serving.gateway.errors import BudgetExhausted, RateLimited
from serving.gateway.key import Key, usd

# An older reading says nothing.
KNOWN_SECONDS: Final = 30.0
# A request may end at any time.
RETRY_RUNNING_SECONDS: Final = 1
SHOWN_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """The store's sum in USD, what of this gateway's entries is in it at least, its beginning."""

    usd: float
    written: float
    at: float


@dataclass(slots=True)
class Account:
    """One key's spending in USD in the running period of its budget."""

    key: Key
    since: date
    asked_at: float
    reading: Reading | None = None
    entered: float = 0.0
    running: dict[int, float] = field(default_factory=dict)  # what each is expected to cost

    def is_known(self, now: float) -> bool:
        """Tell whether what was read is new enough."""
        return self.reading is not None and now - self.reading.at <= KNOWN_SECONDS

    @property
    def spent(self) -> float:
        """Return what was spent, as last read and entered here since."""
        if self.reading is None:
            return 0.0
        return round(self.reading.usd + self.entered - self.reading.written, COST_DIGITS)

    @property
    def expected(self) -> float:
        """Return what will be spent when all has ended that runs here."""
        return round(self.spent + sum(self.running.values()), COST_DIGITS)

    @property
    def limit(self) -> float:
        """Return what may be spent in the period."""
        return self.key.budget_usd or 0.0

    def check_spent(self) -> None:
        """Raise BudgetExhausted where all is spent."""
        if self.spent < self.limit:
            return
        more = "Ask this server's operator for more."
        if (period := self.key.budget_period) is not None:
            more = f"The next {period.unit} begins on {period.end(self.since)} at 00:00 UTC. {more}"
        raise BudgetExhausted(f"{self._said}. {more}")

    def check(self) -> None:
        """Raise BudgetExhausted, or RateLimited where requests run that are expected to spend it.

        A request that costs more than what is left is let in: the last one may go over.
        """
        self.check_spent()
        if self.expected >= self.limit:
            raise RateLimited(
                f"{self._said}; its running requests are expected to take the rest. Retry when "
                "one of them has ended, or ask this server's operator for more.",
                retry_after_seconds=RETRY_RUNNING_SECONDS,
            )

    def end(self, request: int, day: date, cost: float) -> None:
        """Note that a request has ended, what it did cost, and on which day it is booked."""
        self.running.pop(request, None)
        if day >= self.since:
            self.entered += cost

    @property
    def _said(self) -> str:
        spent = usd(round(self.spent, SHOWN_DIGITS))
        return f"This API key may spend {self.key.budget}, and has spent {spent}"
