"""What a process and all below it hold: memory of their own, open files; and how that grows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from tests.chaos.figures import MIB, slope
from tests.chaos.site import family
from tests.chaos.wait import clock

SAMPLE_SECONDS: Final = 1.0

Samples = list[tuple[float, float]]


def own_bytes(process: psutil.Process) -> int:
    """Return the memory that would come free if the process and all below it ended (USS)."""
    size = 0
    for member in family(process):
        with suppress(psutil.NoSuchProcess):
            size += member.memory_full_info().uss
    return size


def open_files(process: psutil.Process) -> int:
    """Return the file descriptors of the process and all below it."""
    return sum(member.num_fds() for member in family(process))


def queued_seconds(process: psutil.Process) -> float:
    """Return how long its threads were ready to run and found no core free (Linux' schedstat)."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9


@asynccontextmanager
async def watched(
    process: psutil.Process, every_seconds: float = SAMPLE_SECONDS
) -> AsyncIterator[Samples]:
    """Sample the memory within the block: seconds since its begin, and MiB."""
    begin, samples = clock(), []

    async def look() -> None:
        while True:
            size = await asyncio.to_thread(own_bytes, process)
            samples.append((clock() - begin, size / MIB))
            await asyncio.sleep(every_seconds)

    task = asyncio.ensure_future(look())
    try:
        yield samples
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def growth(samples: Sequence[tuple[float, float]], *, after: float, over: float) -> float:
    """Return the MiB gained in `over` seconds, by a line through the samples `after` seconds on."""
    return slope([(at, size) for at, size in samples if at >= after]) * over
