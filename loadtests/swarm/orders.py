"""What the master of several load processes and its workers tell each other; data alone."""

import os
from typing import Any, TypeVar

import msgspec

from loadtests.allowance import Allowance
from loadtests.certificate.witness import WitnessReport
from loadtests.client.chat import Limits
from loadtests.records import Record
from loadtests.scenario import Served
from loadtests.shapes import Rate, Step, StepTiming, Users

Told = TypeVar("Told", bound="Message")


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something told, as bytes on the way."""

    def encoded(self) -> bytes:
        """Return it as it travels."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decoded(cls: type[Told], data: bytes) -> Told:
        """Read it; raises msgspec.DecodeError."""
        return msgspec.msgpack.decode(data, type=cls)


class Part(Message, frozen=True):
    """Which requests a process sends: those whose number leaves `number` when divided."""

    number: int = 0
    processes: int = 1

    def owns(self, request: int) -> bool:
        """Tell whether a request is of this part."""
        return request % self.processes == self.number

    def first_from(self, request: int) -> int:
        """Return this part's first request from that number on."""
        return request + (self.number - request) % self.processes

    def share_of(self, users: int) -> int:
        """Return how many of so many users are of this part; all parts together are the whole."""
        return users // self.processes + (self.number < users % self.processes)


class Preparation(Message, frozen=True):
    """All that a worker needs before the first step; the key is never told."""

    part: Part
    scenario: str
    seed: int
    served: Served
    url: str
    limits: Limits


class Beginning(Message, frozen=True):
    """When the load begins, by the wall clock, which is what several machines share."""

    at: float


class Order(Message, frozen=True):
    """One step: it begins `offset_seconds` after the load."""

    index: int
    users: int | None
    rate: Rate | None
    seconds: float
    settle_seconds: float
    drain_seconds: float
    seed: int
    first_number: int
    offset_seconds: float
    allowance: Allowance

    @property
    def step(self) -> Step:
        """Return the step as the shape made it."""
        load = Users(self.users or 0) if self.rate is None else self.rate
        return Step(self.index, load, self.seconds, self.settle_seconds, self.drain_seconds)


class Progress(Message, frozen=True):
    """How far a step is, about once a second."""

    elapsed_seconds: float = 0.0
    in_flight: int = 0
    sent: int = 0
    answered: int = 0
    failed: int = 0
    tokens: int = 0  # of thought and answer, as far as they are known

    def __add__(self, other: "Progress") -> "Progress":
        """Return two processes' progress as one."""
        return Progress(
            elapsed_seconds=max(self.elapsed_seconds, other.elapsed_seconds),
            in_flight=self.in_flight + other.in_flight,
            sent=self.sent + other.sent,
            answered=self.answered + other.answered,
            failed=self.failed + other.failed,
            tokens=self.tokens + other.tokens,
        )


class Ended(Message, frozen=True):
    """How a worker's part of a step went."""

    ended_seconds: float = 0.0
    drain_seconds: float = 0.0
    in_flight_at_end: int = 0
    next_number: int = 0
    records: int = 0  # how many were told: the master counts whether all came
    stopped: str | None = None
    error: str | None = None  # an error of this program


class Hello(Message, frozen=True):
    """A worker is there, or ready."""

    pid: int = msgspec.field(default_factory=os.getpid)
    error: str | None = None


class Batch(Message, frozen=True):
    """What a worker has to hand over."""

    records: list[Record] = []
    reports: list[WitnessReport] = []


def order_of(step: Step, **rest: Any) -> Order:
    """Return the order for a step; `rest` is what the order says beyond it."""
    return Order(
        index=step.index,
        users=step.load.users if isinstance(step.load, Users) else None,
        rate=step.load if isinstance(step.load, Rate) else None,
        seconds=step.seconds,
        settle_seconds=step.settle_seconds,
        drain_seconds=step.drain_seconds,
        **rest,
    )


def merged(step: Step, began: float, parts: list[Ended], *, interrupted: bool) -> StepTiming:
    """Return a step's times from those of its parts, whose clocks agree; `began` since the load."""
    reasons = [part.stopped for part in parts if part.stopped]
    return StepTiming(
        step=step,
        began_seconds=began,
        counted_from_seconds=began + step.settle_seconds,
        ended_seconds=max([began, *(part.ended_seconds for part in parts)]),
        drain_seconds=max((part.drain_seconds for part in parts), default=0.0),
        in_flight_at_end=sum(part.in_flight_at_end for part in parts),
        interrupted=interrupted,
        stopped=reasons[0] if reasons else None,
    )
