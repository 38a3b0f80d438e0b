"""Measures what it costs to check a request and to map it to the engine's: CPU microseconds.

Run it from the repository's root: `python -m deploy.benchmarks.mapping_cost`. From the body's bytes
to the engine's, sockets left out. The same body decoded and encoded by `json` alone stands beside.
"""

import asyncio
import json
import statistics
import sys
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from serving.catalogue import entry_for
from serving.gateway.api.chat import chat_completions
from serving.gateway.dialect import OPENAI, OPENROUTER, Dialect
from serving.gateway.journal import Journal
from serving.gateway.key import ANYBODY
from serving.gateway.metrics.inter_token import InterTokenTimes
from serving.gateway.recent import Recent
from serving.gateway.relay import EngineRequest
from serving.gateway.served import ServedModel
from serving.gateway.workload import Forecast, Work
from serving.options import GatewaySettings

ROUNDS = 3000
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TURNS = [
    {"role": role, "content": f"Turn {turn}: " + "a sentence of some length. " * 6}
    for turn in range(10)
    for role in ("user", "assistant")
]
CASES: dict[str, dict[str, Any]] = {
    "one question": {"messages": [{"role": "user", "content": "What is 12 + 7?"}]},
    "20 turns, tools, sampling": {
        "messages": [*TURNS, {"role": "user", "content": "And now?"}],
        "tools": [WEATHER],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 2000,
        "reasoning": {"effort": "high"},
        "stream": True,
    },
}


class Sink:
    """A relay that takes requests and sends them nowhere."""

    async def serve(self, exchange: "Call", request: EngineRequest) -> None:
        """Take one."""


class Context:
    """What the watch knows of the engine."""

    max_model_len = 262_144


class OpenDoor:
    """An admission that lets everybody in."""

    forecast = Forecast(thinks=True)

    def admit(self, _call: "Call", _work: Work) -> AbstractAsyncContextManager[None]:
        """Let a request in."""
        return nullcontext()


class NoMedia:
    """A fetcher for requests without pictures."""

    def within(self, *_share: object) -> "NoMedia":
        """Stay the same for every request."""
        return self


class Call:
    """An exchange whose body is there already."""

    request_id = "req_0123456789abcdef0123456789abcdef"
    key = ANYBODY
    memory = None

    def __init__(self, body: bytes, dialect: Dialect) -> None:
        self.dialect = dialect
        self.journal = Journal(self.request_id, {}, InterTokenTimes())
        self.record = self.journal.record
        self._body = body

    async def read_body(self) -> bytearray:
        """Return the body."""
        return bytearray(self._body)


async def microseconds(body: bytes, dialect: Dialect, rounds: int = ROUNDS) -> float:
    """Return the median of many requests."""
    served: Any = ServedModel(
        entry=entry_for("Qwen/Qwen3-VL-8B-Thinking"),
        build=None,  # type: ignore[arg-type]
        limits=GatewaySettings(),
        watch=Context(),  # type: ignore[arg-type]
        admission=OpenDoor(),  # type: ignore[arg-type]
        relay=Sink(),  # type: ignore[arg-type]
        media=NoMedia(),  # type: ignore[arg-type]
        keys=None,  # type: ignore[arg-type]
        ledger=None,
        recent=Recent(),
        created=0,
    )
    times = []
    for _ in range(rounds):
        call: Any = Call(body, dialect)
        start = time.thread_time_ns()
        await chat_completions(served, call)
        times.append(time.thread_time_ns() - start)
    return statistics.median(times) / 1000


def json_microseconds(body: bytes) -> float:
    """Return the median of decoding and encoding alone."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time_ns()
        json.dumps(json.loads(body))
        times.append(time.thread_time_ns() - start)
    return statistics.median(times) / 1000


if __name__ == "__main__":
    for name, case in CASES.items():
        body = json.dumps(case).encode()
        figures = {d.base: asyncio.run(microseconds(body, d)) for d in (OPENAI, OPENROUTER)}
        shown = ", ".join(f"{base} {figure:.0f} µs" for base, figure in figures.items())
        alone = json_microseconds(body)
        sys.stdout.write(f"{name} ({len(body)} bytes): {shown}; json alone {alone:.0f} µs\n")
