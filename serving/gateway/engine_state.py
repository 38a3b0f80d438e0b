"""Judges an engine from readings of its metrics: ready, started, alive. No clock, no socket."""

from dataclasses import dataclass
from math import inf
from typing import Final, Literal

# One slow page is not death, nor a reason to send clients away.
SLOW_READINGS: Final = 2

Incarnation = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: what the engine's core has last reported to the process that has the page.

    Iterations count steps that gave tokens; a long prompt's chunks show in the KV cache alone.
    """

    requests: float
    iterations: float
    kv_cache_usage: float = 0.0


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an engine counts as hung: its page is silent, or its core stands still with work."""

    why: Literal["silent", "still"]
    seconds: float


class EngineState:
    """The verdict on an engine at given times; seconds of a monotonic clock.

    An incarnation is the identity of the engine's socket: a restarted engine gets a new one, and
    no verdict until it was ready. A hung one keeps its socket.
    """

    def __init__(self, watchdog_seconds: float) -> None:
        self._limit = watchdog_seconds
        self._sample: Sample | None = None
        self._is_busy = False
        self._worked_at = -inf
        self._still_since = 0.0
        self._silent_since: float | None = None
        self._misses = 0
        self.answers_as: Incarnation = None
        self.was_ready = False
        self.ready = False
        self.started = False
        self.hung = False

    def answered(
        self, now: float, sample: Sample, incarnation: Incarnation, at_engine: int = 0
    ) -> None:
        """Note a reading; the engine is ready.

        `at_engine` are requests that it has by our own count: a core that stood still before they
        came never reported them.
        """
        before = self._sample if incarnation == self.answers_as else None
        was_busy, self._is_busy = self._is_busy, sample.requests > 0 or at_engine > 0
        moved = sample != before
        if moved:
            self.hung = False
            self._worked_at = now if before else -inf
        elif self.ready and was_busy and now - self._still_since >= self._limit:
            # From here on only work counts: its requests are taken away, and an idle engine
            # would pass for a sound one.
            self.hung = True
        if moved or not (self.hung or (self.ready and was_busy and self._is_busy)):
            self._still_since = now
        self._sample, self._silent_since, self._misses = sample, None, 0
        self.answers_as = incarnation
        self.ready = self.started = self.was_ready = True

    def asked(self, now: float) -> None:
        """Note that a reading is asked for; the first one without an answer begins a silence."""
        if self._silent_since is None:
            self._silent_since = now

    def silent(self, *, gone: bool) -> None:
        """Note that a question got no reading; `gone` means that nobody listens at all."""
        self._misses += 1
        if gone or self._misses > SLOW_READINGS:
            self.ready = False
        if gone:
            self.started = False

    @property
    def requests(self) -> int:
        """Return how many requests the engine had by its last reading."""
        return int(self._sample.requests) if self._sample else 0

    def worked_within(self, now: float, seconds: float) -> bool:
        """Say whether the engine was seen to get on with its requests in the last seconds."""
        return self._is_busy and now - self._worked_at < seconds

    def objection(self, now: float, incarnation: Incarnation) -> Objection | None:
        """Give the watchdog's verdict on the engine with this identity; None stands for any."""
        if not self.was_ready or (incarnation is not None and incarnation != self.answers_as):
            return None
        if self._silent_since is not None and now - self._silent_since >= self._limit:
            return Objection("silent", now - self._silent_since)
        if self.hung:  # seen by a reading: what it did since then nobody knows
            return Objection("still", now - self._still_since)
        return None
