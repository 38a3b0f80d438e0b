"""What one key has used of one limit in a minute of the wall clock. Pure: time is handed in."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# What one gateway holds of a shared limit and does not use is less than this part of it.
CHUNKS: Final = 40


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock, cut into minutes that are the same for every gateway."""

    minute_seconds: float = 60.0
    now: Callable[[], float] = time.time

    def minute(self) -> int:
        """Return the number of the running minute."""
        return int(self.now() // self.minute_seconds)

    def seconds_left(self, minutes: int = 1) -> int:
        """Return how long until so many minutes have ended, this one included; at least 1."""
        left = self.minute_seconds - self.now() % self.minute_seconds
        return max(1, math.ceil(left + (minutes - 1) * self.minute_seconds))


@dataclass(slots=True)
class Window:
    """One limit's minute. What is used beyond it is owed by the next minutes.

    What may be used is the larger of `base`, which is there without asking, and `leased`, which
    was taken of what several gateways share.
    """

    minute: int = 0
    limit: int = 0
    base: int = 0
    leased: int = 0
    used: int = 0
    owed: int = 0
    elsewhere: int = 0  # not leased to any gateway, as last heard
    closed: bool = False  # a lease was refused just now
    pace: int = 0  # used between the last two ticks
    seen: int = 0  # of `used` at the last tick

    @property
    def left(self) -> int:
        """Return what may still be used; below zero it is a debt."""
        return max(self.base, self.leased) - self.owed - self.used

    @property
    def remaining(self) -> int:
        """Return what the key has left for all that is known here."""
        return max(0, self.left + self.elsewhere)

    def turn(self, minute: int, base: int) -> None:
        """Go to a minute. Each one that has passed paid a whole limit of the debt.

        A clock set back by less than a minute begins no minute anew.
        """
        passed = minute - self.minute
        if passed not in {0, -1}:
            self.owed = max(0, -self.left - max(0, passed - 1) * self.limit)
            self.leased = self.used = self.elsewhere = self.seen = 0
            self.closed = False
            self.minute = minute
        self.base = base

    def fits(self, amount: int) -> bool:
        """Tell whether so much may be used now.

        What is larger than a whole minute's fits nowhere, and so goes into an empty minute.
        """
        if amount <= self.left:
            return True
        whole = self.base or self.limit
        return amount > whole and not (self.used or self.owed) and self.left >= whole

    def take(self, amount: int) -> None:
        """Use so much, or owe it."""
        self.used += amount

    def give_back(self, amount: int, minute: int) -> None:
        """Undo a use of that minute. Of an earlier one it pays debts; the rest has lapsed."""
        if minute == self.minute:
            self.used = max(0, self.used - amount)
        else:
            self.owed = max(0, self.owed - amount)

    def minutes_until(self, amount: int) -> int:
        """Return after the ends of how many minutes so much would fit; at least 1."""
        needed = self.owed + self.used + min(amount, self.limit)
        return max(1, math.ceil(needed / self.limit) - 1)

    def tick(self) -> None:
        """Measure what is used from one tick to the next; leases are worth asking for again."""
        self.pace, self.seen = max(0, self.used - self.seen), self.used
        self.closed = False

    @property
    def reserve(self) -> int:
        """Return what to hold beyond what is asked for: two ticks' use, but not a whole chunk.

        Of a small limit nothing is held, so that the last units go where they are asked for.
        """
        pace = max(self.pace, self.used - self.seen)
        return max(0, min(self.limit // CHUNKS - 1, 2 * pace))

    def lacking(self, waiting: int) -> int:
        """Return what to lease, with so much asked for by requests that wait; 0 for nothing.

        What is needed where it is more than the reserve, or the reserve before it is used up.
        """
        spare = self.left - min(waiting, self.limit)
        if spare < 0:
            return max(-spare, self.reserve)
        return self.reserve - spare if 2 * spare < self.reserve else 0

    @property
    def surplus(self) -> int:
        """Return what other gateways may have."""
        return max(0, min(self.left - self.reserve, self.leased))
