"""The order in which waiting requests go on: by class, and within it fair between flows.

Start-time fair queueing (Goyal, Vin, Cheng 1996): every request gets a start tag, which is the
later of the queue's virtual time and the end of its flow's last request; the lowest tag goes
first. A flow that asks for little is served at once however much another one has piled up.
"""

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field

from serving.gateway.workload import Work


@dataclass(order=True, slots=True)
class Entry:
    """A waiting request: its class (lower first), start tag, turn of arrival, flow and work."""

    rank: int
    start: float
    turn: int
    flow: str = field(compare=False)
    work: Work = field(compare=False)


class FairQueue:
    """Waiting requests of many flows."""

    def __init__(self) -> None:
        self._waiting: list[Entry] = []
        self._ends: dict[str, float] = {}
        self._flows: Counter[str] = Counter()
        self._now = 0.0
        self._turns = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def of_flow(self, flow: str) -> int:
        """Return how many requests of a flow wait."""
        return self._flows[flow]

    def ahead(self, flow: str, rank: int) -> tuple[int, float]:
        """Return how many would go before a new request of this flow and class, and their work."""
        start = self._start(flow)
        units = [e.work.units for e in self._waiting if (e.rank, e.start) <= (rank, start)]
        return len(units), sum(units)

    def add(self, flow: str, rank: int, work: Work) -> Entry:
        """Put a request in."""
        start = self._start(flow)
        self._turns += 1
        entry = Entry(rank, start, self._turns, flow, work)
        insort(self._waiting, entry)
        self._flows[flow] += 1
        self._ends[flow] = start + work.units
        return entry

    def first(self) -> Entry | None:
        """Return the request whose turn it is."""
        return self._waiting[0] if self._waiting else None

    def serve(self, entry: Entry) -> None:
        """Take out the request whose turn it is: the queue's time goes on to its start."""
        self._now = max(self._now, entry.start)
        self._take_out(entry)
        if not self._waiting:
            self._ends = {flow: end for flow, end in self._ends.items() if end > self._now}

    def remove(self, entry: Entry) -> None:
        """Take out a request that waits no longer: its flow goes on as if it had not come."""
        self._take_out(entry)
        units = entry.work.units
        for other in self._waiting:
            if other.flow == entry.flow and other.turn > entry.turn:
                other.start = max(entry.start, other.start - units)
        self._ends[entry.flow] = max(entry.start, self._ends[entry.flow] - units)
        self._waiting.sort()

    def _take_out(self, entry: Entry) -> None:
        self._waiting.remove(entry)
        self._flows[entry.flow] -= 1
        if not self._flows[entry.flow]:
            del self._flows[entry.flow]

    def _start(self, flow: str) -> float:
        return max(self._now, self._ends.get(flow, 0.0))
