"""A scripted engine that knows its own truth: so many slots, each request so long, to the event.

A program of its own: `python -m tests.chaos.paced_engine SOCKET --slots 32`. It queues as vLLM
does, refuses in vLLM's words, and ends with SIGTERM. Its capacity is slots / service time.
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.chaos.wait import clock
from tests.fake_engine import (
    DONE,
    UNARY,
    FakeEngine,
    Wire,
    delta_event,
    refusal,
    usage_event,
    whole,
)

PROMPT_TOKENS = 11
KV_BLOCKS, BLOCK_TOKENS = 100_000, 16
BUSY = (
    "The engine is currently busy and cannot accept new requests. "
    "Please try again later or on a different instance."
)


@dataclass(frozen=True)
class Pace:
    """How fast it is: `slots` requests at a time, a first token, then one each interval."""

    slots: int = 32
    first_token_seconds: float = 0.1
    interval_seconds: float = 0.01
    tokens: int = 20

    @property
    def service_seconds(self) -> float:
        """Return how long a request holds its slot."""
        return self.first_token_seconds + (self.tokens - 1) * self.interval_seconds

    @property
    def capacity(self) -> float:
        """Return the requests a second that it can serve at most."""
        return self.slots / self.service_seconds

    def arguments(self) -> list[str]:
        """Return the program's options for this pace."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in vars(self).items()]


@dataclass
class Truth:
    """What really happened in it, shown on its metrics page."""

    running: int = 0
    waiting: int = 0
    iterations: int = 0
    finished: int = 0
    aborted: int = 0
    refused: int = 0


class PacedEngine(FakeEngine):
    """The scripted engine with slots and a pace in place of a script."""

    def __init__(self, socket_path: Path, pace: Pace) -> None:
        super().__init__(socket_path, self._serve_paced, uvloop.new_event_loop)
        self.requests = deque(maxlen=1)  # type: ignore[assignment]  # it runs for hours
        self.counts = deque(maxlen=1)  # type: ignore[assignment]
        self.pace = pace
        self.truth = Truth()
        self._slots = asyncio.Semaphore(pace.slots)
        thought = pace.tokens // 2
        self._tokens = [
            delta_event(**{"reasoning" if number < thought else "content": "x "})
            for number in range(pace.tokens)
        ]
        self._end = [
            delta_event(finish_reason="stop", content=""),
            usage_event(PROMPT_TOKENS, pace.tokens, thought),
            DONE,
        ]

    async def _serve_paced(self, wire: Wire) -> None:
        truth = self.truth
        if truth.running + truth.waiting >= 2 * self.pace.slots:
            truth.refused += 1
            await refusal(503, BUSY)(wire)
            return
        try:
            await self._take_turn(wire)
        except (asyncio.CancelledError, ConnectionError):
            truth.aborted += 1
            raise
        truth.finished += 1

    async def _take_turn(self, wire: Wire) -> None:
        truth = self.truth
        truth.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            truth.waiting -= 1
        truth.running += 1
        try:
            await (self._stream(wire) if _streams(wire) else self._answer(wire))
        finally:
            truth.running -= 1
            self._slots.release()

    async def _stream(self, wire: Wire) -> None:
        """Send each token when it is due, however long sending the last one took."""
        due = clock() + self.pace.first_token_seconds
        await _reach(due)
        await wire.head(200, "text/event-stream; charset=utf-8")
        await wire.chunk(delta_event(role="assistant", content=""))
        for token in self._tokens:
            await _reach(due)
            self.truth.iterations += 1
            await wire.chunk(token)
            due += self.pace.interval_seconds
        await wire.chunk(b"".join(self._end))
        await wire.chunk(b"")

    async def _answer(self, wire: Wire) -> None:
        await _reach(clock() + self.pace.service_seconds)
        self.truth.iterations += self.pace.tokens
        await whole(UNARY)(wire)

    def _metrics_page(self) -> str:
        vllm = {name: getattr(self.truth, name) for name in ("running", "waiting", "iterations")}
        self.metrics.update(vllm)
        blocks = f'{{num_gpu_blocks="{KV_BLOCKS}",block_size="{BLOCK_TOKENS}"}}'
        own = "".join(f"paced:{name} {value}\n" for name, value in vars(self.truth).items())
        return super()._metrics_page() + f"vllm:cache_config_info{blocks} 1.0\n" + own


async def _reach(due: float) -> None:
    """Wait until a moment has really come: the loop's own clock lags behind by a turn."""
    while (left := due - clock()) > 0:  # noqa: ASYNC110 (it is the clock that is waited for)
        await asyncio.sleep(left)


def _streams(wire: Wire) -> bool:
    try:
        return bool(wire.request.json.get("stream"))
    except (ValueError, AttributeError):
        return False


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket", type=Path)
    for name, value in vars(Pace()).items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    options = vars(parser.parse_args(arguments))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    gc.disable()  # its pauses would be measured as the gateway's
    engine = PacedEngine(options.pop("socket"), Pace(**options))
    engine.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
