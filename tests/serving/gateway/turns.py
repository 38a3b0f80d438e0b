"""How evenly a piece of work shares the event loop."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Coroutine

RUNS = 5


def shared_turns(work: Callable[[], Coroutine[object, object, object]]) -> tuple[int, float]:
    """Return how many turns others get, and the work's longest turn as a share of its CPU time.

    The share is the least of some runs: what the work itself does in one turn it does in each,
    while the interpreter's and the machine's own pauses come and go.
    """
    runs = [asyncio.run(_times(work)) for _ in range(RUNS)]
    shares = [
        max(after - before for before, after in itertools.pairwise(times)) / (times[-1] - times[0])
        for times in runs
    ]
    return min(len(times) - 1 for times in runs), min(shares)


async def _times(work: Callable[[], Coroutine[object, object, object]]) -> list[float]:
    gc.collect()
    task = asyncio.create_task(work())
    times = [time.thread_time()]
    while not task.done():
        await asyncio.sleep(0)
        times.append(time.thread_time())
    task.result()
    return times
