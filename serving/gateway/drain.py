"""The phases of a drain: not ready but serving, then refusing, then cutting off. No clock inside.

`serving drain` begins with the first, a signal with the second; several of them are one drain.
"""

from enum import StrEnum

import msgspec

from serving.gateway.engine_state import Incarnation


class Phase(StrEnum):
    """What the gateway does with requests, new and running."""

    SERVING = "serving"
    LEAVING = "leaving"
    REFUSING = "refusing"
    CUTTING = "cutting"


class Report(msgspec.Struct, frozen=True):
    """How far a drain is; seconds until its next phase, None where none follows."""

    phase: Phase
    requests: int
    cut_off: int
    seconds: float | None

    @property
    def is_over(self) -> bool:
        """Say whether no request is left, or the gateway serves again."""
        if self.phase in {Phase.REFUSING, Phase.CUTTING}:
            return self.requests == 0
        return self.phase is Phase.SERVING


class Drain:
    """Where a gateway stands between serving and its end; seconds of a monotonic clock."""

    def __init__(self, grace_seconds: float, limit_seconds: float) -> None:
        self._grace = grace_seconds
        self._limit = limit_seconds
        self._refuses_at: float | None = None
        self._engine: Incarnation = None
        self._is_final = False
        self.cut_off = 0

    def begin(self, now: float, engine: Incarnation) -> None:
        """Leave, before this engine; joins a drain that has begun."""
        if self._refuses_at is None:
            self._refuses_at = now + self._grace
            self._engine = engine

    def insist(self, now: float) -> None:
        """Refuse from now on, for good: the process ends."""
        self._is_final = True
        if self._refuses_at is None or now < self._refuses_at:
            self._refuses_at = now

    def renew(self, engine: Incarnation) -> bool:
        """Serve again where another engine answers than the drain began with; say if so."""
        ends = self._refuses_at is not None and not self._is_final
        if not ends or engine in {None, self._engine}:
            return False
        self._refuses_at, self.cut_off = None, 0
        return True

    def phase(self, now: float) -> Phase:
        """Return the phase at a time."""
        if self._refuses_at is None:
            return Phase.SERVING
        if now < self._refuses_at:
            return Phase.LEAVING
        return Phase.REFUSING if now < self._refuses_at + self._limit else Phase.CUTTING

    def used(self, now: float) -> float:
        """Return which share of its limit the drain has used."""
        if self._refuses_at is None or now < self._refuses_at:
            return 0.0
        return min(1.0, (now - self._refuses_at) / self._limit) if self._limit else 1.0

    def report(self, now: float, requests: int) -> Report:
        """Tell where the drain is with so many requests running."""
        phase = self.phase(now)
        seconds = None
        if self._refuses_at is not None and phase is not Phase.CUTTING:
            wait = self._refuses_at - now
            seconds = wait if phase is Phase.LEAVING else wait + self._limit
        return Report(phase, requests, self.cut_off, seconds)
