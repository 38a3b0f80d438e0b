"""What a check is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serving.verify.client import Endpoint


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a deployment; `run` returns what was seen, or raises Failed or Skipped.

    A check that is `alone` runs while no other does: it compares texts or shows times.
    """

    name: str
    expected: str
    run: Callable[[Endpoint], Awaitable[str]]
    alone: bool = False
