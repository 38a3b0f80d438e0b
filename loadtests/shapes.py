"""How load is laid over time: shapes are data that say, step by step, what is offered next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from loadtests.result import Met, StepResult

LONGER = 3.0  # a step that showed too few requests to decide is played again, this much longer


class Arrivals(StrEnum):
    """How the requests of an open loop follow each other."""

    POISSON = "poisson"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Users:
    """A closed loop: so many requests in flight, each followed by the next when it has ended."""

    users: int


@dataclass(frozen=True, slots=True)
class Rate:
    """An open loop: requests arrive at their time, whether or not earlier ones have ended.

    The rate goes from `per_second` to `until_per_second` in a straight line; None keeps it.
    """

    per_second: float
    arrivals: Arrivals = Arrivals.POISSON
    until_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One load kept for `seconds`; requests due in the first `settle_seconds` are not counted.

    At its end, requests in flight are awaited for at most `drain_seconds`, then censored.
    """

    index: int
    load: Users | Rate
    seconds: float
    settle_seconds: float
    drain_seconds: float


@dataclass(frozen=True, slots=True)
class StepTiming:
    """When a step was really played; seconds since the load began."""

    step: Step
    began_seconds: float
    counted_from_seconds: float
    ended_seconds: float  # no request was sent from here on
    drain_seconds: float
    in_flight_at_end: int
    interrupted: bool = False
    stopped: str | None = None  # why it ended before its time: an allowance used up, a worker lost


class Shape(Protocol):
    """Says which step comes next, after those that have ended; None ends the run."""

    def steps(self) -> tuple[Step, ...]:
        """Return the steps that are known before the load; none where each hangs on the last."""
        ...

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the next step."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long each step of a shape lasts."""

    seconds: float = 60.0
    settle_seconds: float = 10.0
    drain_seconds: float = 120.0

    def step(self, index: int, load: Users | Rate, *, longer: float = 1.0) -> Step:
        """Return a step of this length, or so many times longer."""
        return Step(index, load, longer * self.seconds, self.settle_seconds, self.drain_seconds)


@dataclass(frozen=True, slots=True)
class Steps(Lengths):
    """One load after the other."""

    loads: tuple[Users | Rate, ...]

    def steps(self) -> tuple[Step, ...]:
        """Return all of them."""
        return tuple(self.step(index, load) for index, load in enumerate(self.loads))

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the step after the last one."""
        return next(iter(self.steps()[len(finished) :]), None)


@dataclass(frozen=True, slots=True)
class Single(Lengths):
    """One load."""

    load: Users | Rate

    def steps(self) -> tuple[Step, ...]:
        """Return the one step."""
        return (self.step(0, self.load),)

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the step, once."""
        return None if finished else self.step(0, self.load)


@dataclass(frozen=True, slots=True)
class Ramp(Lengths):
    """An open loop whose rate goes from one to another in a straight line."""

    per_second: float
    until_per_second: float
    arrivals: Arrivals = Arrivals.POISSON

    def steps(self) -> tuple[Step, ...]:
        """Return the one step."""
        return (self.step(0, Rate(self.per_second, self.arrivals, self.until_per_second)),)

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the step, once."""
        return None if finished else self.steps()[0]


@dataclass(frozen=True, slots=True)
class Saturation(Lengths):
    """Multiplies a load until it brings nothing more.

    It ends when a step's throughput is not `growth` above the best before it, or when two steps
    have missed the objectives.
    """

    load: Users | Rate
    factor: float = 2.0
    growth: float = 0.05
    max_steps: int = 12

    def steps(self) -> tuple[Step, ...]:
        """Return nothing: each step hangs on the last."""
        return ()

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the multiplied load, None where it is saturated."""
        missed = sum(result.met is Met.MISSED for result in finished)
        if len(finished) == self.max_steps or missed > 1 or not self._grew(finished):
            return None
        amount = amount_of(self.load) * self.factor ** len(finished)
        return self.step(len(finished), with_amount(self.load, amount))

    def _grew(self, finished: Sequence[StepResult]) -> bool:
        if len(finished) < 2:
            return True
        *earlier, last = map(_throughput, finished)
        return last > (1 + self.growth) * max(earlier)


@dataclass(frozen=True, slots=True)
class Bracket:
    """What a search knows: the highest load that met the objectives, the lowest that did not."""

    met: float = 0.0
    missed: float = math.inf
    undecided: float | None = None  # to be played again, longer
    unproven: tuple[float, ...] = ()  # counted as missed: undecided twice

    def after(self, result: StepResult) -> "Bracket":
        """Return what is known once another step has ended."""
        amount = offered(result)
        if result.met is Met.MET:
            return replace(self, met=amount, undecided=None)
        if result.met is Met.MISSED:
            return replace(self, missed=amount, undecided=None)
        if self.undecided is None:
            return replace(self, undecided=amount)
        unproven = (*self.unproven, amount)
        return replace(self, missed=amount, undecided=None, unproven=unproven)

    @property
    def sentence(self) -> str:
        """Say what was found."""
        if not self.met:
            found = f"Not even {self.missed:g} met the objectives."
        elif math.isinf(self.missed):
            found = f"{self.met:g} met the objectives, and nothing higher was tried."
        else:
            found = f"{self.met:g} met the objectives, {self.missed:g} did not."
        if self.unproven:
            loads = ", ".join(f"{amount:g}" for amount in self.unproven)
            found += f" Too few requests to decide, twice, and so counted as missed: {loads}."
        return found


@dataclass(frozen=True, slots=True)
class Search(Lengths):
    """Looks for the highest load that meets the objectives: doubles it, then halves the bracket.

    It ends when the bracket is not wider than `tolerance` of its lower end (one user, in a closed
    loop), or after `max_probes` steps. A step with too few requests to decide is played once more,
    longer; undecided again, it counts as missed.
    """

    load: Users | Rate
    tolerance: float = 0.1
    max_probes: int = 12

    def steps(self) -> tuple[Step, ...]:
        """Return nothing: each step hangs on the last."""
        return ()

    def next(self, finished: Sequence[StepResult]) -> Step | None:
        """Return the next probe, None where the search is over."""
        bracket = self.bracket(finished)
        amount = self._amount(bracket)
        if amount is None or len(finished) >= self.max_probes:
            return None
        longer = 1.0 if bracket.undecided is None else LONGER
        return self.step(len(finished), with_amount(self.load, amount), longer=longer)

    def bracket(self, finished: Sequence[StepResult]) -> Bracket:
        """Return what the steps so far say."""
        bracket = Bracket()
        for result in finished:
            bracket = bracket.after(result)
        return bracket

    def _amount(self, bracket: Bracket) -> float | None:
        """Return what to offer next."""
        if bracket.undecided is not None:
            return bracket.undecided
        if math.isinf(bracket.missed):
            return 2 * bracket.met or amount_of(self.load)
        least = 1.0 if isinstance(self.load, Users) else 0.0
        if bracket.missed - bracket.met <= max(least, self.tolerance * bracket.met):
            return None
        between = (bracket.met + bracket.missed) / 2
        return float(math.floor(between)) if isinstance(self.load, Users) else between


def amount_of(load: Users | Rate) -> float:
    """Return how much load it is: users, or requests per second at its beginning."""
    return float(load.users) if isinstance(load, Users) else load.per_second


def with_amount(load: Users | Rate, amount: float) -> Users | Rate:
    """Return as much load of the same kind; users are whole."""
    if isinstance(load, Users):
        return Users(max(1, round(amount)))
    return replace(load, per_second=amount, until_per_second=None)


def offered(result: StepResult) -> float:
    """Return how much load a step offered."""
    return float(result.rate_per_second or result.users or 0)


def _throughput(result: StepResult) -> float:
    """Return tokens per second, or requests where the endpoint counts no tokens."""
    done = result.all.per_second
    return done.output_tokens or done.requests
