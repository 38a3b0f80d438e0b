"""The load itself: steps played by users of this process, or by workers under a master."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

import gevent  # type: ignore[import-untyped] # gevent ships no types

from loadtests.allowance import Allowance
from loadtests.certificate.witness import WitnessReport
from loadtests.client.chat import Limits
from loadtests.endpoint import Endpoint
from loadtests.records import Record
from loadtests.scenario import Scenario, Served
from loadtests.shapes import Step, StepTiming
from loadtests.swarm.master import PROGRAM, Master
from loadtests.swarm.orders import Ended, Order, Part, Preparation, Progress, merged, order_of
from loadtests.swarm.users import Crew
from loadtests.swarm.worker import work

__all__ = ["Progress", "Swarm", "work"]
# From the order to the step's begin: all processes are ready then.
AHEAD_SECONDS = 0.3
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Band(Protocol):
    """Who plays: this process alone, or several."""

    @property
    def interrupted(self) -> bool:
        """Whether the user has had enough."""
        ...

    def prepare(self, preparation_of: Callable[[Part], Preparation]) -> None:
        """Make all ready; raises LoadError."""
        ...

    def begin(self, load_began: float) -> None:
        """Begin the load, at a time of `perf_counter`."""
        ...

    def play(
        self, order_of: Callable[[Part], Order], progress: Callable[[Progress], None]
    ) -> list[Ended]:
        """Play a step to its end."""
        ...

    def interrupt(self) -> None:
        """Break off what is in flight, and play no further step."""
        ...

    def reports(self) -> list[WitnessReport]:
        """Return how well each process saw its requests."""
        ...

    def close(self) -> None:
        """End every user and process."""
        ...


class Solo:
    """This process alone."""

    def __init__(self, sink: Callable[[Record], None], scenario: Scenario, key: str | None) -> None:
        self._crew = Crew()
        self._sink = sink
        self._scenario = scenario
        self._key = key

    @property
    def interrupted(self) -> bool:
        """Whether the user has had enough."""
        return self._crew.interrupted

    def prepare(self, preparation_of: Callable[[Part], Preparation]) -> None:
        """Make ready what is asked; raises LoadError."""
        self._crew.runner = self._crew.environment.create_local_runner()
        self._crew.prepare(preparation_of(Part()), self._scenario, self._key, self._sink)

    def begin(self, load_began: float) -> None:
        """Begin the load, at a time of `perf_counter`."""
        self._crew.begin(load_began)

    def play(
        self, order_of: Callable[[Part], Order], progress: Callable[[Progress], None]
    ) -> list[Ended]:
        """Play a step to its end."""
        return [self._crew.perform(order_of(Part()), progress)]

    def interrupt(self) -> None:
        """Break off what is in flight, and play no further step."""
        self._crew.interrupt()

    def reports(self) -> list[WitnessReport]:
        """Return how well this process saw its requests."""
        return self._crew.report()

    def close(self) -> None:
        """End every user."""
        self._crew.close()


class Swarm:
    """Plays steps with users of this process, or of `workers` others that it starts.

    With `bind` (HOST:PORT) it waits for so many workers of other machines instead. Workers find
    the scenario by its name. One request makes one record, which goes to `sink` in
    the order in which requests end.
    """

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        endpoint: Endpoint,
        scenario: Scenario,
        served: Served,
        allowance: Allowance,
        sink: Callable[[Record], None],
        *,
        limits: Limits | None = None,
        workers: int = 0,
        bind: str | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.began = 0.0
        self._endpoint = endpoint
        self._scenario = scenario
        self._served = served
        self._allowance = allowance
        self._sink = sink
        self._limits = limits or Limits()
        self._next_number = 0
        self._handlers: list[Any] = []
        self._band: Band = (
            Master(self._receive, workers, endpoint.key, bind=bind, program=program)
            if workers
            else Solo(sink, scenario, endpoint.key)
        )

    def __enter__(self) -> Self:
        """Make everything ready, and begin the load; raises LoadError."""
        try:
            self._band.prepare(self._preparation)
            self.began = time.perf_counter()
            self._band.begin(self.began)
        except BaseException:
            self._band.close()
            raise
        # Python would raise it in any greenlet, and not each lets it out.
        self._handlers = [gevent.signal_handler(each, self._interrupt) for each in SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every user and process."""
        self._let_signals_go()
        self._band.close()

    def play(
        self, step: Step, progress: Callable[[Progress], None] = lambda progress: None
    ) -> StepTiming:
        """Play a step to its end, requests in flight included; what stopped it is told."""
        offset = time.perf_counter() - self.began + AHEAD_SECONDS

        def order(part: Part) -> Order:
            return order_of(
                step,
                seed=self._scenario.seed,
                first_number=self._next_number,
                offset_seconds=offset,
                allowance=self._share(part),
            )

        parts = self._band.play(order, progress)
        self._next_number = max([self._next_number, *(part.next_number for part in parts)])
        return merged(step, offset, parts, interrupted=self._band.interrupted)

    def reports(self) -> list[WitnessReport]:
        """Return how well each process saw its requests: once, after the last step."""
        return self._band.reports()

    def _preparation(self, part: Part) -> Preparation:
        return Preparation(
            part=part,
            scenario=self._scenario.name,
            seed=self._scenario.seed,
            served=self._served,
            url=self._endpoint.url,
            limits=self._limits,
        )

    def _share(self, part: Part) -> Allowance:
        """Return what a process may ask for: of one alone the whole, which it counts itself."""
        whole = self._allowance
        if part.processes == 1:
            return whole
        usd = None if whole.max_usd is None else whole.max_usd - whole.spent_usd
        left = replace(whole, max_requests=whole.max_requests - whole.requests, max_usd=usd)
        return left.share(part.number, part.processes)

    def _receive(self, record: Record) -> None:
        """Count and keep what a worker tells."""
        self._allowance.requests += 1
        self._allowance.settle(record)
        self._sink(record)

    def _interrupt(self) -> None:
        """End cleanly; the next signal ends at once."""
        self._let_signals_go()
        self._band.interrupt()

    def _let_signals_go(self) -> None:
        for handler in self._handlers:
            handler.cancel()
        if self._handlers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._handlers = []
