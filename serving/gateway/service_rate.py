"""How fast the engine gets work done, measured from the requests that it has finished."""

from typing import Final

# 25 ms a token: what is believed before a request has ended.
FIRST_SECONDS_PER_UNIT: Final = 0.025
FIRST_UNITS: Final = 1000.0
FIRST_TOKEN_SECONDS: Final = 0.25
# Of what was known, this much is left after one more request: a memory of some fifty.
MEMORY: Final = 0.98


class ServiceRate:
    """Seconds that a unit of work takes while as many others are computed as usual.

    The wait behind some work is then work x seconds per unit / slots: Little's law, read backwards.
    """

    def __init__(self) -> None:
        self._units = FIRST_UNITS
        self._seconds = FIRST_UNITS * FIRST_SECONDS_PER_UNIT
        self._requests = 1.0
        self._first_token = FIRST_TOKEN_SECONDS

    def add(self, units: float, seconds: float) -> None:
        """Learn from a request that was finished."""
        self._units = self._units * MEMORY + units
        self._seconds = self._seconds * MEMORY + seconds
        self._requests = self._requests * MEMORY + 1

    def add_first_token(self, seconds: float) -> None:
        """Learn how long the engine took to a first token, after the wait in the queue."""
        self._first_token += (seconds - self._first_token) * (1 - MEMORY)

    @property
    def first_token_seconds(self) -> float:
        """Return how long the engine takes to a first token."""
        return self._first_token

    @property
    def mean_units(self) -> float:
        """Return the work of a usual request."""
        return self._units / self._requests

    def wait_seconds(self, units: float, slots: int) -> float:
        """Return how long `slots` sequences at once take for this much work."""
        return units * self._seconds / self._units / slots
