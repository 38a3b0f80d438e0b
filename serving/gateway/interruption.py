"""Ends one request's task from outside, with the error that says why."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Phase:
    """Something a request waits for, how long at most, and the error when it does not come.

    `goes_on(seconds)` may say that the wait is worth another round: the engine computes. `in_vain`
    may give the error that ends it at once.
    """

    seconds: float
    error: Callable[[], Exception]
    goes_on: Callable[[float], bool] | None = None
    in_vain: Callable[[], Exception | None] | None = None


class Interruption:
    """A block of one task that a deadline, a lost client or a shutdown can end.

    Inside the block, the given error is raised at the point where the task waits. Entering a
    phase costs two attribute writes; the deadline is looked at by `check`, called from outside.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._phase: Phase | None = None
        self._due = 0.0
        self._deadline: Callable[[], Exception] = TimeoutError
        self._ends_at = inf
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task, self._task, self._phase = self._task, None, None
        if self._error is not None and task is not None:
            task.uncancel()
            if kind is asyncio.CancelledError:
                raise self._error from None

    @property
    def error(self) -> Exception | None:
        """Return what ends the block, None if nothing does."""
        return self._error

    def enter(self, phase: Phase, since: float | None = None) -> None:
        """Start to wait for something, or go on with a wait that began at a loop time."""
        self._phase = phase
        self._due = (self._loop.time() if since is None else since) + phase.seconds

    def leave(self) -> None:
        """Wait for nothing that has a deadline here."""
        self._phase = None

    def limit(self, seconds: float, error: Callable[[], Exception]) -> None:
        """Set a deadline from now on that holds through all phases."""
        self._deadline, self._ends_at = error, self._loop.time() + seconds

    def check(self, now: float) -> None:
        """Interrupt if the deadline has come, or the present phase is overdue."""
        if now >= self._ends_at:
            self.interrupt(self._deadline())
        phase = self._phase
        if phase is not None and phase.in_vain is not None and (error := phase.in_vain()):
            self.interrupt(error)
        if phase is None or now < self._due:
            return
        if phase.goes_on is not None and phase.goes_on(phase.seconds):
            self._due = now + phase.seconds
        else:
            self.interrupt(phase.error())

    def interrupt(self, error: Exception) -> bool:
        """Raise the error inside the block; the first one counts, and none after its end.

        Say whether this one counts.
        """
        if self._task is None or self._error is not None:
            return False
        self._error = error
        self._task.cancel()
        return True
