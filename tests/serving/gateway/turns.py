"""How evenly a piece of work shares the event loop."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Coroutine

RUNS = 10
LARGE_SHARE = 0.25


def shared_turns(work: Callable[[], Coroutine[object, object, object]]) -> tuple[int, float]:
    """Return how many turns others get, and the work's longest turn as a share of its CPU time.

    The work is run again while that share is large: what it does in one turn by itself it does in
    each run, while the interpreter's and the machine's own pauses come and go.
    """
    for _ in range(RUNS):
        times = asyncio.run(_times(work))
        longest = max(after - before for before, after in itertools.pairwise(times))
        share = longest / (times[-1] - times[0])
        if share < LARGE_SHARE:
            break
    return len(times) - 1, share


async def _times(work: Callable[[], Coroutine[object, object, object]]) -> list[float]:
    gc.collect()
    task = asyncio.create_task(work())
    times = [time.thread_time()]
    while not task.done():
        await asyncio.sleep(0)
        times.append(time.thread_time())
    task.result()
    return times
