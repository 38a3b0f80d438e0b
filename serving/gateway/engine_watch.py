"""What the gateway knows of its engine: ready, started, alive, and the limits it reported."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from serving.gateway.engine_state import EngineState, Incarnation, Objection, Sample
from serving.gateway.errors import EngineTimeout, EngineUnavailable, GatewayError
from serving.gateway.upstream import Engine

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
READY_POLL_SECONDS: Final = 3.0
RUNNING: Final = (b"vllm:num_requests_running", b"vllm:num_requests_waiting")
KV_CACHE_TOKENS: Final = re.compile(rb'vllm:cache_config_info\{[^}]*kv_cache_size_tokens="(\d+)"')
ITERATIONS: Final = b"vllm:iteration_tokens_total_count"
KV_CACHE_USAGE: Final = b"vllm:kv_cache_usage_perc"
RETRY_SECONDS: Final = 5


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class _Version(msgspec.Struct):
    version: str


class EngineWatch:
    """Polls the engine and keeps its state, its context length and its model's name."""

    def __init__(
        self,
        engine: Engine,
        model: str,
        watchdog_seconds: float,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Watch an engine that is to serve a model; `on_ready` is called each time it does."""
        self._on_ready = on_ready
        self._engine = engine
        self._model = model
        self._state = EngineState(watchdog_seconds)
        self._wake = asyncio.Event()
        self._served: list[str] = []
        self._restarts = 0
        self._is_gone = True
        self._objected = False
        self._waiting = 0
        self._trial: asyncio.Task[None] | None = None
        self.max_model_len: int | None = None
        self.kv_cache_usage = 0.0
        self.engine_version: str | None = None
        self.kv_cache_tokens: int | None = None

    @property
    def answers_as(self) -> Incarnation:
        """Return the identity of the engine that answers, None where none does."""
        return self._state.answers_as if self._state.ready else None

    @property
    def present(self) -> Incarnation:
        """Return the identity of the engine that has the socket now, started or not."""
        if self._engine.listen.startswith("tcp://"):
            return None if self._is_gone else (0, self._restarts)
        try:
            status = Path(self._engine.listen).stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns

    def unready(self) -> str | None:
        """Return why the engine gets no requests, None if it gets them."""
        if (reason := self.hung()) or self._state.ready:
            return reason
        if self._served:
            return f"the engine serves {', '.join(self._served)}, not {self._model}"
        return "the engine does not answer" if self._state.was_ready else self.unstarted()

    def unstarted(self) -> str | None:
        """Return why the engine that runs now does not count as started, None if it does."""
        return None if self._state.started else "the engine was not ready yet"

    def hung(self) -> str | None:
        """Return why the watchdog gives the engine up, None if it does not."""
        objection = self._objection()
        if objection is None:
            return None
        seconds, requests = int(objection.seconds), self._waiting
        if objection.why == "silent":
            said = f"the engine's metrics have not answered for {seconds} s"
        else:
            said = f"the engine has computed nothing for {seconds} s"
        return f"{said}, with {requests} {'request' if requests == 1 else 'requests'} to serve"

    def timeout(self, phase: str) -> EngineTimeout | None:
        """Return what ends a request that waits for a hung engine, None while it may wait."""
        reason = self.hung()
        return EngineTimeout(f"Given up: {reason} (phase: {phase}).") if reason else None

    def require_sound(self) -> None:
        """Raise EngineUnavailable where the engine is hung: waiting for it would be in vain."""
        if self._objection() is not None:
            raise EngineUnavailable(
                "The engine is out of order. Please try again later.",
                retry_after_seconds=RETRY_SECONDS,
            )

    def worked_within(self, seconds: float) -> bool:
        """Say whether the engine has requests and got on with them in the last seconds."""
        return self._state.worked_within(_now(), seconds)

    def look_now(self) -> None:
        """Poll ahead of time: a request has found the engine unwell."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._poll()
                self._wake.clear()
                pause = READY_POLL_SECONDS if self._state.ready else POLL_SECONDS
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
        finally:
            if self._trial is not None:
                self._trial.cancel()

    async def _poll(self) -> None:
        was_ready = self._state.ready
        self._state.asked(_now())
        try:
            if was_ready or await self._is_promised_model():
                if not was_ready:
                    self.engine_version = await self._read_version()
                status, body, _ = await self._engine.get("/metrics")
                self._read(status, body)
            else:
                self._state.silent(gone=False)
        except GatewayError as error:
            gone = isinstance(error, EngineUnavailable)
            self._restarts += gone and not self._is_gone
            self._is_gone = gone
            self._state.silent(gone=gone)
        self._log(was_ready)

    def _read(self, status: int, body: bytes) -> None:
        self._is_gone = False
        if status != 200:
            self._state.silent(gone=False)
            return
        if not self._state.ready:
            self.kv_cache_tokens = read_kv_cache_tokens(body)
        sample = read_sample(body)
        self.kv_cache_usage = sample.kv_cache_usage
        self._state.answered(_now(), sample, self.present, self._engine.in_flight)
        if self._state.hung and (self._trial is None or self._trial.done()):
            self._trial = asyncio.create_task(self._try())

    async def _try(self) -> None:
        """Ask a hung engine for one token: it got on once it has answered, and no client waits."""
        fields = {"model": self._model, "prompt": [1], "max_tokens": 1}
        with suppress(GatewayError):
            body = [msgspec.json.encode(fields)]
            async with self._engine.post("/v1/completions", body, "watchdog") as response:
                await response.read()
        self._wake.set()

    async def _read_version(self) -> str:
        """Return vLLM's version, empty where the engine does not say."""
        status, body, _ = await self._engine.get("/version")
        with suppress(msgspec.MsgspecError):
            if status == 200:
                return msgspec.json.decode(body, type=_Version).version
        return ""

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
                self._served = []
                return True
        self._served = [model.id for model in models]
        logger.warning("the engine serves %s, not %s", self._served, self._model)
        return False

    def _objection(self) -> Objection | None:
        objection = self._state.objection(_now(), None)
        objection = objection and self._state.objection(_now(), self.present)
        # Those that were there when it hung: the verdict ends them.
        waiting = self._waiting or max(self._state.requests, self._engine.in_flight)
        self._waiting = waiting if objection else 0
        return objection

    def _log(self, was_ready: bool) -> None:
        if self._state.ready and not was_ready:
            self._on_ready()
            logger.info("the engine is ready, context %s tokens", self.max_model_len)
        elif was_ready and not self._state.ready:
            logger.warning("the engine does not answer any more")
        reason = self.hung()
        if reason and not self._objected:
            logger.error("%s: its requests end, new ones are refused until it works", reason)
        elif self._objected and not reason:
            logger.warning("the engine works again, or another one starts")
        self._objected = reason is not None


def _now() -> float:
    return asyncio.get_running_loop().time()


def read_sample(metrics: bytes) -> Sample:
    """Add up an engine's metrics page over its label sets."""
    return Sample(
        requests=sum(_total(metrics, name) for name in RUNNING),
        iterations=_total(metrics, ITERATIONS),
        kv_cache_usage=_total(metrics, KV_CACHE_USAGE),
    )


def read_kv_cache_tokens(metrics: bytes) -> int | None:
    """Return how many tokens the engine's KV cache holds, None where its page does not say."""
    found = KV_CACHE_TOKENS.search(metrics)
    return int(found[1]) if found else None


def _total(metrics: bytes, name: bytes) -> float:
    lines = (line for line in metrics.splitlines() if line.startswith((name + b"{", name + b" ")))
    return sum(_value(line) for line in lines)


def _value(line: bytes) -> float:
    try:
        return float(line.rpartition(b" ")[2])
    except ValueError:
        return 0.0
