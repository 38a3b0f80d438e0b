"""What many ask for, computed once in a while for all of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

KEPT_SECONDS: Final = 4.0
# What took long is kept longer, so that those who ask never keep a core busy with it.
KEPT_TIMES_ITS_MAKING: Final = 10.0
MOST_KEPT: Final = 64


@dataclass(slots=True)
class _Made:
    """Something made or in the making; `until` is when it is made anew, None while it is made."""

    task: asyncio.Task[Any]
    until: float | None = None


class Recent:
    """Results by name; a failure is kept as well, so that a sick store has some rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[Hashable, _Made] = {}

    async def get(self, name: Hashable, make: Callable[[], Awaitable[Result]]) -> Result:
        """Return what was made lately under a name, or make it; raises what making it raised."""
        made = self._made.get(name)
        if made is None or (made.until is not None and made.until <= self._clock()):
            self._made.pop(name, None)
            while len(self._made) >= MOST_KEPT:
                self._made.pop(next(iter(self._made)))
            made = self._made[name] = _Made(asyncio.create_task(_awaited(make)))
            made.task.add_done_callback(self._keeper(made))
        # One who hangs up does not take it from the others.
        result: Result = await asyncio.shield(made.task)
        return result

    def _keeper(self, made: _Made) -> Callable[[asyncio.Task[Any]], None]:
        began = self._clock()

        def keep(task: asyncio.Task[Any]) -> None:
            now = self._clock()
            made.until = now + max(KEPT_SECONDS, KEPT_TIMES_ITS_MAKING * (now - began))
            if not task.cancelled():
                task.exception()  # whoever waited has it; if nobody is left, it is no news

        return keep


async def _awaited(make: Callable[[], Awaitable[Result]]) -> Result:
    return await make()
