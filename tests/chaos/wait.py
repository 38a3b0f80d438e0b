"""The experiments' clock, and waiting with an end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

clock: Final = time.monotonic
WAIT_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02


async def until(
    condition: Callable[[], bool | Awaitable[bool]], seconds: float = WAIT_SECONDS
) -> float:
    """Wait until a condition holds; return the seconds it took. Raises TimeoutError."""
    begin = clock()
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return clock() - begin
        if clock() - begin > seconds:
            raise TimeoutError(f"it did not come true within {seconds:g} s")
        await asyncio.sleep(LOOK_SECONDS)
