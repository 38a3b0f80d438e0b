"""An event loop whose clock runs ahead of the wall's, so that minutes of a stream take seconds."""

import asyncio
import selectors

SPEED = 50


class FastLoop(asyncio.SelectorEventLoop):
    """A loop for which every second of the wall's clock is many."""

    def __init__(self) -> None:
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Return the loop's own time in seconds."""
        return super().time() * SPEED


class _FastSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as long as the loop's seconds take by the wall's clock."""
        return super().select(timeout and timeout / SPEED)
