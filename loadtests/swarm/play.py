"""One step as one process plays it: who sends what when, and what has come of it so far.

Nobody hands requests out. A user that is free waits for the next arrival itself and sends it, so
that no switch lies between its time and its sending; before it sends, it sees to it that another
one waits. Users grow to what is in flight, plus one.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from loadtests.client.exchange import Exchange
from loadtests.client.recording import record_of
from loadtests.failure import LoadError
from loadtests.outcome import Outcome
from loadtests.prompt import Request
from loadtests.records import Record
from loadtests.shapes import Rate
from loadtests.swarm.look_ahead import LookAhead
from loadtests.swarm.orders import Order, Part, Progress
from loadtests.swarm.schedule import arrivals, generator

MAX_IN_FLIGHT = 2000


class Flag(Protocol):
    """An event that greenlets wait for."""

    def set(self) -> None:
        """Let all go on."""
        ...

    def clear(self) -> None:
        """Let them wait again."""
        ...

    def is_set(self) -> bool:
        """Tell whether it is set."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """A request to be sent now, and the time at which it was due; None in a closed loop."""

    request: Request
    due: float | None


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps of a process are played with; a time of `perf_counter`."""

    part: Part
    look_ahead: LookAhead
    sink: Callable[[Record], None]
    load_began: float = 0.0
    max_in_flight: int = MAX_IN_FLIGHT


class Play:
    """Hands out turns and takes their ends; greenlets switch between calls, never within one."""

    def __init__(self, order: Order, stage: Stage, flag: Callable[[], Any]) -> None:
        self.order = order
        self.stage = stage
        self.began = stage.load_began + order.offset_seconds
        self.closing: Flag = flag()  # no request is sent from here on
        self.all_sent: Flag = flag()
        self.quiet: Flag = flag()  # nothing is in flight
        self.broken_off: Flag = flag()
        self.wanted: Flag = flag()  # a body was used up
        self.quiet.set()
        self.stopped: str | None = None
        self.ended: float | None = None
        self.next_number = order.first_number
        self.records = 0
        self._waiting: deque[tuple[int, float]] = deque()
        self._in_flight: dict[int, Exchange] = {}
        self._sent = self._answered = self._failed = self._tokens = 0
        self._arrivals = self._open(order.rate) if order.rate else iter(())
        self._coming = next(self._arrivals, None)
        if self._coming is None:
            self.all_sent.set()
        self._numbers = count(stage.part.first_from(order.first_number), stage.part.processes)

    @property
    def in_flight(self) -> int:
        """Return how many requests have been sent and not ended."""
        return len(self._in_flight)

    @property
    def users(self) -> int:
        """Return how many users begin: all of a closed loop, of an open one the first."""
        return 1 if self.order.rate else self.stage.part.share_of(self.order.users or 0)

    @property
    def lonely(self) -> bool:
        """Tell whether requests are still to come for which no user waits."""
        return self._coming is not None and not self._waiting and not self.closing.is_set()

    def await_turn(self) -> float | None:
        """Return when the user's next request is due, None where there is none."""
        if self.closing.is_set():
            return None
        if self.order.rate is None:
            return time.perf_counter()
        return self._waiting[-1][1] if self._draw() else None

    def take_turn(self) -> Turn | None:
        """Return the request that is due now, None where none is to be sent any more."""
        if self.closing.is_set():
            return None
        if self.order.rate and self.in_flight >= self.stage.max_in_flight:
            self.give_up(f"{self.in_flight} requests were in flight, the most one process keeps")
            return None
        if not self.order.allowance.take():
            self.close(self.order.allowance.used_up)
            return None
        number, due = self._next()
        return Turn(self.stage.look_ahead.take(number), due)

    def begin(self, turn: Turn, exchange: Exchange) -> None:
        """Count a request that is sent now."""
        self._in_flight[turn.request.number] = exchange
        self._sent += 1
        self.quiet.clear()
        self.wanted.set()

    def end(self, turn: Turn, exchange: Exchange) -> Record:
        """Write down how a request ended."""
        del self._in_flight[turn.request.number]
        due = exchange.sent if turn.due is None else turn.due
        record = self._write(turn.request, exchange, due)
        self.order.allowance.settle(record)
        self._answered += record.answered
        self._failed += not record.answered
        self._tokens += record.completion_tokens or record.fragments
        if not self._in_flight:
            self.quiet.set()
        return record

    def close(self, reason: str | None = None) -> None:
        """Send nothing any more; later calls change nothing."""
        if self.ended is None:
            self.ended, self.stopped = time.perf_counter(), reason
        self.closing.set()

    def break_off(self) -> None:
        """Send nothing any more and await nothing."""
        self.close()
        self.broken_off.set()

    def fail(self, error: Exception) -> None:
        """End the step for an error of this program, which is not an outcome of a request."""
        said = str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"
        self.break_off()
        self.stopped = self.stopped or f"The load failed: {said}"

    def give_up(self, reason: str) -> None:
        """Send nothing any more; what was due and not sent is written down as censored."""
        now = time.perf_counter()
        self.close(f"{reason}: arrivals that were due were not sent")
        while (self._waiting or self._draw()) and self._waiting[0][1] <= now:
            number, due = self._waiting.popleft()
            request = self.stage.look_ahead.take(number, encode=False)
            exchange = Exchange(sent=now, done=now, outcome=Outcome.CENSORED, detail="not sent")
            self._write(request, exchange, due)
            self._failed += 1

    def progress(self) -> Progress:
        """Return how far the step is."""
        flying = sum(exchange.fragments for exchange in self._in_flight.values())
        return Progress(
            elapsed_seconds=time.perf_counter() - self.began,
            in_flight=self.in_flight,
            sent=self._sent,
            answered=self._answered,
            failed=self._failed,
            tokens=self._tokens + flying,
        )

    def _open(self, rate: Rate) -> Iterator[tuple[int, float]]:
        """Yield number and time of this part's arrivals."""
        rng = generator(self.order.seed, self.order.index)
        for offset in arrivals(rate, self.order.seconds, rng):
            number, self.next_number = self.next_number, self.next_number + 1
            if self.stage.part.owns(number):
                yield number, self.began + offset

    def _draw(self) -> bool:
        """Let one more arrival wait for its time, False where none is left."""
        if self._coming is None:
            return False
        self._waiting.append(self._coming)
        self._coming = next(self._arrivals, None)
        return True

    def _next(self) -> tuple[int, float | None]:
        """Return the number of the request to be sent now, and when it was due."""
        if self.order.rate is None:
            number = next(self._numbers)
            self.next_number = number + 1
            return number, None
        arrival = self._waiting.popleft()
        if not self._waiting and self._coming is None:
            self.all_sent.set()
        return arrival

    def _write(self, request: Request, exchange: Exchange, due: float) -> Record:
        stage = self.stage
        record = record_of(
            request, exchange, self.order.index, due, stage.load_began, stage.part.number
        )
        self.records += 1
        stage.sink(record)
        return record
