"""What the gateway knows of its engine: ready, started, alive, and the limits it reported."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from serving.gateway.errors import EngineUnavailable, GatewayError
from serving.gateway.upstream import Engine

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
READY_POLL_SECONDS: Final = 3.0
# One slow page is not death, nor a reason to send clients away.
SLOW_READINGS: Final = 2
RUNNING: Final = (b"vllm:num_requests_running", b"vllm:num_requests_waiting")
ITERATIONS: Final = b"vllm:iteration_tokens_total_count"

Incarnation = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the engine's metrics."""

    requests: float
    iterations: float


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class EngineState:
    """Judges an engine from readings at given times; seconds of a monotonic clock.

    An incarnation is the identity of the engine's socket: a restarted engine gets a new one, and
    no verdict until it was ready. A hung one keeps its socket.
    """

    def __init__(self, watchdog_seconds: float) -> None:
        self._limit = watchdog_seconds
        self._sample: Sample | None = None
        self._answered_at = 0.0
        self._moved_at = 0.0
        self._ready_as: Incarnation = None
        self._was_ready = False
        self._misses = 0
        self.ready = False
        self.started = False

    def answered(self, now: float, sample: Sample, incarnation: Incarnation) -> None:
        """Note a reading; the engine is ready."""
        before, self._sample = self._sample, sample
        idle = sample.requests == 0
        if not self.ready or before is None or idle or sample.iterations != before.iterations:
            self._moved_at = now
        self._answered_at = now
        self._misses = 0
        self._ready_as = incarnation
        self.ready = self.started = self._was_ready = True

    def silent(self, *, gone: bool) -> None:
        """Note that no reading came; `gone` means that nobody listens at all."""
        self._misses += 1
        if gone or self._misses > SLOW_READINGS:
            self.ready = False
        if gone:
            self.started = False

    def worked_within(self, now: float, seconds: float) -> bool:
        """Say whether the engine has requests and got on with them in the last seconds."""
        busy = self._sample is not None and self._sample.requests > 0
        return self.ready and busy and now - self._moved_at < seconds

    def alive(self, now: float, incarnation: Incarnation) -> bool:
        """Give the watchdog's verdict."""
        if not self._was_ready or (incarnation is not None and incarnation != self._ready_as):
            return True
        if now - self._answered_at >= self._limit:
            return False
        return now - self._moved_at < self._limit


class EngineWatch:
    """Polls the engine and keeps its state, its context length and its model's name."""

    def __init__(self, engine: Engine, model: str, watchdog_seconds: float) -> None:
        self._engine = engine
        self._model = model
        self._state = EngineState(watchdog_seconds)
        self._wake = asyncio.Event()
        self.max_model_len: int | None = None

    @property
    def ready(self) -> bool:
        """Say whether the engine answers and serves the model that was promised."""
        return self._state.ready

    @property
    def started(self) -> bool:
        """Say whether the engine that runs now was ready once."""
        return self._state.started

    @property
    def alive(self) -> bool:
        """Say whether the watchdog leaves the engine alone."""
        return self._state.alive(time.monotonic(), self._incarnation())

    def worked_within(self, seconds: float) -> bool:
        """Say whether the engine has requests and got on with them in the last seconds."""
        return self._state.worked_within(time.monotonic(), seconds)

    def look_now(self) -> None:
        """Poll ahead of time: a request has found the engine unwell."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._poll()
            self._wake.clear()
            pause = READY_POLL_SECONDS if self.ready else POLL_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _poll(self) -> None:
        was_ready = self.ready
        try:
            if not was_ready and not await self._is_promised_model():
                self._state.silent(gone=False)
                return
            status, body, _ = await self._engine.get("/metrics")
        except GatewayError as error:
            self._state.silent(gone=isinstance(error, EngineUnavailable))
            self._log(was_ready)
            return
        if status == 200:
            self._state.answered(time.monotonic(), read_sample(body), self._incarnation())
        else:
            self._state.silent(gone=False)
        self._log(was_ready)

    async def _is_promised_model(self) -> bool:
        status, body, _ = await self._engine.get("/v1/models")
        if status != 200:
            return False
        try:
            models = msgspec.json.decode(body, type=_Models).data
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        for model in models:
            if model.id == self._model:
                self.max_model_len = model.max_model_len
                return True
        logger.warning("the engine serves %s, not %s", [m.id for m in models], self._model)
        return False

    def _incarnation(self) -> Incarnation:
        if self._engine.listen.startswith("tcp://"):
            return None
        try:
            status = Path(self._engine.listen).stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns

    def _log(self, was_ready: bool) -> None:
        if self.ready and not was_ready:
            logger.info("the engine is ready, context %s tokens", self.max_model_len)
        elif was_ready and not self.ready:
            logger.warning("the engine does not answer any more")


def read_sample(metrics: bytes) -> Sample:
    """Add up an engine's metrics page over its label sets."""
    return Sample(
        requests=sum(_total(metrics, name) for name in RUNNING),
        iterations=_total(metrics, ITERATIONS),
    )


def _total(metrics: bytes, name: bytes) -> float:
    lines = (line for line in metrics.splitlines() if line.startswith((name + b"{", name + b" ")))
    return sum(_value(line) for line in lines)


def _value(line: bytes) -> float:
    try:
        return float(line.rpartition(b" ")[2])
    except ValueError:
        return 0.0
