"""Requests that are finished and not yet in the store: pure bookkeeping, no clock, no store."""

import secrets
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from serving.gateway.record import Record

BATCH_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that are written together; by its id the store knows them again."""

    id: str
    records: list[Record]


class Backlog:
    """A queue of requests with a limit, of which one batch at a time is being written."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Record] = deque()
        self._batch: Batch | None = None
        self._batch_rows = BATCH_ROWS
        self._costs: defaultdict[str, float] = defaultdict(float)
        self._size = 0
        self.added = 0

    def __len__(self) -> int:
        """Return how many requests are not settled, the batch included."""
        return self._size

    @property
    def settled(self) -> int:
        """Return how many of all that were added are settled; it is always the first ones."""
        return self.added - self._size

    @property
    def is_full_batch(self) -> bool:
        """Tell whether a whole batch waits."""
        return self._size >= BATCH_ROWS

    def add(self, record: Record) -> bool:
        """Take a request; False where there is no room for it."""
        if self._size >= self._limit:
            return False
        self._waiting.append(record)
        self._size += 1
        self.added += 1
        self._costs[record.key_id] += record.cost
        return True

    def cost(self, key_id: str) -> float:
        """Return what a key's requests in here cost, in USD."""
        return max(0.0, self._costs.get(key_id, 0.0))

    def batch(self) -> Batch:
        """Return what to write next: the same batch until it is settled or split."""
        if self._batch is None:
            count = min(len(self._waiting), self._batch_rows)
            records = [self._waiting.popleft() for _ in range(count)]
            self._batch = Batch(secrets.token_hex(16), records)
        return self._batch

    def settle(self) -> None:
        """Forget the batch: it is written, or given up."""
        records = self.batch().records
        self._batch = None
        self._batch_rows = min(BATCH_ROWS, 2 * self._batch_rows)
        self._size -= len(records)
        for record in records:
            self._costs[record.key_id] -= record.cost
        if not self._size:
            self._costs.clear()

    def split(self) -> Record | None:
        """Make two of a batch that the store refuses, or return the one request that it is."""
        records = self.batch().records
        if len(records) == 1:
            return records[0]
        self._batch = None
        self._batch_rows = len(records) // 2
        self._waiting.extendleft(reversed(records))
        return None

    def lag_seconds(self, now: float) -> float:
        """Return how long ago the oldest request ended; times are in seconds since 1970."""
        try:
            oldest = self._batch.records[0] if self._batch else self._waiting[0]
        except IndexError:
            return 0.0
        return max(0.0, now - oldest.time - oldest.duration_seconds)
