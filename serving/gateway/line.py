"""Decides who goes to the engine, who waits for it, and who is refused at once.

The engine gets only as many requests as it computes at the same time, so that whoever waits, waits
here, in a fair order. A queue is for bursts and for clients that wait for their answers: they may
fill it up to `queue_seconds`. Where requests keep coming faster than they are finished, waiting
makes everybody late and serves nobody more: then a request is let in only if its wait is short
beside the engine's own time to a first token. What tells the two apart is each key's credit, which
every request that comes for a place lowers and every one that ends raises.
"""

import math
from bisect import insort
from dataclasses import dataclass
from typing import Final

from serving.gateway.errors import Overloaded
from serving.gateway.fair_queue import Entry, FairQueue
from serving.gateway.key import ANYBODY, Key, Priority
from serving.gateway.service_rate import ServiceRate
from serving.gateway.workload import Work

# A key may have this many times the free places of the queue: two thirds of all where it is alone.
KEY_SHARE: Final = 2
# How long one may wait while requests pile up, as a share of the time to a first token.
PATIENCE: Final = 0.5
MAX_RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the engine computes at the same time, and what may wait for it."""

    sequences: int
    tokens: float
    queued: int
    queue_seconds: float


@dataclass(slots=True)
class _Credit:
    """What a key may send before its requests pile up; whoever waits or is served has taken one."""

    left: float
    freedom: float


class Line:
    """The queue and those whom the engine serves; times are seconds of one monotonic clock."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.queue = FairQueue()
        self.rate = ServiceRate()
        self._sequences = 0
        self._tokens = 0
        self._units = 0.0
        self._began: dict[int, float] = {}  # by turn
        self._ends: list[tuple[float, int]] = []  # when each turn is expected to end
        self._credits: dict[str, _Credit] = {}
        self._seen_at = 0.0
        self._freedom = 0.0

    @property
    def sequences(self) -> int:
        """Return how many sequences the engine computes."""
        return self._sequences

    @property
    def tokens(self) -> int:
        """Return the tokens expected of the requests that the engine computes."""
        return self._tokens

    def knock(self, now: float, key: Key) -> None:
        """Raise Overloaded if no request of this key has a chance now."""
        self._pass(now)
        self._change_credit(key.id, 0)
        if self.queue or self._sequences >= self.capacity.sequences:
            self._check(now, key)

    def join(self, now: float, key: Key, work: Work) -> Entry:
        """Put a request in line that has knocked; raises Overloaded."""
        if self.queue or not self._fits(work):
            self._check(now, key)
        self._change_credit(key.id, -1)
        return self.queue.add(key.id, key.priority.rank, work)

    def leave(self, entry: Entry) -> None:
        """Forget a request that waits no longer."""
        self.queue.remove(entry)

    def call(self, now: float) -> Entry | None:
        """Let the first in line go to the engine, if there is room for it."""
        entry = self.queue.first()
        if entry is None or not self._fits(entry.work):
            return None
        self.queue.serve(entry)
        self._sequences += entry.work.sequences
        self._tokens += entry.work.tokens
        self._units += entry.work.units
        self._began[entry.turn] = now
        seconds = self.rate.wait_seconds(entry.work.units, entry.work.sequences)
        insort(self._ends, (now + seconds, entry.turn))
        return entry

    def finish(self, now: float, entry: Entry, *, finished: bool) -> None:
        """Take a request back from the engine, and learn from it if it was finished."""
        self._pass(now)
        work = entry.work
        self._sequences -= work.sequences
        self._tokens -= work.tokens
        self._units -= work.units
        self._ends = [end for end in self._ends if end[1] != entry.turn]
        self._change_credit(entry.flow, 1)
        seconds = now - self._began.pop(entry.turn)
        if finished:
            self.rate.add(work.units / work.sequences, seconds)

    def retry_seconds(self, flow: str, ahead_units: float = 0.0) -> int:
        """Return when to come again: when what waits and what is owed has been worked off."""
        owed = max(0.0, -self._credits[flow].left) * self.rate.mean_units
        wait = self.rate.wait_seconds(ahead_units + owed, self.capacity.sequences)
        return max(1, min(MAX_RETRY_SECONDS, math.ceil(wait)))

    def _fits(self, work: Work) -> bool:
        """Say whether the engine has room; what is larger than all of it goes alone."""
        if not self._sequences:
            return True
        sequences = self._sequences + work.sequences
        tokens = self._tokens + work.tokens
        return sequences <= self.capacity.sequences and tokens <= self.capacity.tokens

    def _check(self, now: float, key: Key) -> None:
        """Raise Overloaded unless the queue has a place for this key, in good time.

        A refusal takes credit, too: whoever keeps asking faster than the engine works has none.
        """
        flow = key.id
        count, units = self.queue.ahead(flow, key.priority.rank)
        free = self.capacity.queued - len(self.queue)
        share = free if key is ANYBODY else min(free, KEY_SHARE * free - self.queue.of_flow(flow))
        # The first place becomes free when a share of what is computed now has been done.
        units += self._units / self.capacity.sequences
        wait = self.rate.wait_seconds(units, self.capacity.sequences)
        patience = self.capacity.queue_seconds
        if self._credits[flow].left < 1 and key.priority is not Priority.LOW:
            patience = min(patience, PATIENCE * self.rate.first_token_seconds)
            if count < len(self._ends):  # those that began together end together
                wait = max(wait, self._ends[count][0] - now)
        if share <= 0 or wait > patience:
            self._change_credit(flow, -1)
            raise Overloaded(
                "The server is busy. Please try again after the time in the header Retry-After.",
                retry_after_seconds=self.retry_seconds(flow, units),
            )

    def _pass(self, now: float) -> None:
        """Add up the free places over time: 1 for all of them, for as long as a usual request."""
        passed, self._seen_at = now - self._seen_at, now
        free = max(0.0, 1 - self._sequences / self.capacity.sequences)
        self._freedom += free * passed / self.rate.wait_seconds(self.rate.mean_units, 1)

    def _change_credit(self, flow: str, change: int) -> None:
        """Change a key's credit, given back in full after a `freedom` of 1."""
        most = float(self.capacity.sequences + self.capacity.queued)
        credit = self._credits.setdefault(flow, _Credit(most, self._freedom))
        gain = most * (self._freedom - credit.freedom)
        credit.left = max(-most, min(most, min(most, credit.left + gain) + change))
        credit.freedom = self._freedom
