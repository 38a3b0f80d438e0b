"""What was computed just now: once for all who ask, and again when it is old."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from serving.gateway.recent import KEPT_SECONDS, MOST_KEPT, Recent


class Clock:
    """A clock that goes as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Counted:
    """A computation that counts how often it was made, and waits to be let go on."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        """Return the count."""
        self.count += 1
        await self.go_on.wait()
        return self.count


def run(test: Callable[[Recent, Counted, Clock], Awaitable[None]]) -> None:
    """Run a test with a new cache, a computation and the cache's clock."""

    async def running() -> None:
        clock = Clock()
        await test(Recent(clock), Counted(), clock)

    asyncio.run(running())


def test_many_who_ask_at_once_cause_one_computation() -> None:
    """They all get its result, and so does who comes right after."""

    async def ask(recent: Recent, work: Counted, _clock: Clock) -> None:
        asked = [asyncio.create_task(recent.get("a", work)) for _ in range(50)]
        await asyncio.sleep(0)
        work.go_on.set()
        assert set(await asyncio.gather(*asked)) == {1}
        assert await recent.get("a", work) == 1
        assert await recent.get("b", work) == 2

    run(ask)


def test_what_is_old_is_computed_again() -> None:
    """By its age since it was there; each name has its own."""

    async def ask(recent: Recent, work: Counted, clock: Clock) -> None:
        work.go_on.set()
        assert await recent.get("a", work) == 1
        clock.now += KEPT_SECONDS - 0.1
        assert [await recent.get(name, work) for name in "ab"] == [1, 2]
        clock.now += 0.2
        assert [await recent.get(name, work) for name in "ab"] == [3, 2]

    run(ask)


def test_what_took_long_is_kept_longer() -> None:
    """However many ask, no more than a tenth of the time is spent on it."""

    async def ask(recent: Recent, work: Counted, clock: Clock) -> None:
        asked = asyncio.create_task(recent.get("a", work))
        await asyncio.sleep(0)
        clock.now += 3.0
        work.go_on.set()
        assert await asked == 1
        clock.now += 29.9
        assert await recent.get("a", work) == 1
        clock.now += 0.2
        assert await recent.get("a", work) == 2

    run(ask)


def test_no_more_than_so_many_are_kept() -> None:
    """The oldest goes first."""

    async def ask(recent: Recent, work: Counted, _clock: Clock) -> None:
        work.go_on.set()
        for name in range(MOST_KEPT + 1):
            await recent.get(name, work)
        assert await recent.get(1, work) == 2
        assert await recent.get(0, work) == MOST_KEPT + 2

    run(ask)


def test_one_that_hangs_up_leaves_it_to_the_others() -> None:
    """The computation goes on for those who wait."""

    async def ask(recent: Recent, work: Counted, _clock: Clock) -> None:
        gone, waiting = (asyncio.create_task(recent.get("a", work)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait({gone})
        work.go_on.set()
        assert await waiting == 1
        assert gone.cancelled()

    run(ask)


def test_a_failure_is_everybodys() -> None:
    """It is raised to all who wait, and to nobody's surprise where none is left."""

    async def ask(recent: Recent, work: Counted, _clock: Clock) -> None:
        surprises: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: surprises.append(said))

        async def fail() -> None:
            await work()
            raise ValueError("no")

        waiting = [asyncio.create_task(recent.get("a", fail)) for _ in range(3)]
        lost = asyncio.create_task(recent.get("b", fail))
        await asyncio.sleep(0)
        lost.cancel()
        await asyncio.wait({lost})
        work.go_on.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(each) for each in found] == ["no"] * 3
        with pytest.raises(ValueError, match="no"):
            await recent.get("a", fail)
        assert work.count == 2
        recent._made.clear()
        del lost, waiting
        gc.collect()
        assert surprises == []

    run(ask)
