"""Passes a request to the engine and its answer back, streamed or whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import EngineFailed, EngineTimeout, EngineUnavailable
from serving.gateway.exchange import Exchange
from serving.gateway.interruption import Phase
from serving.gateway.stream import Seen, StreamScan, finish_reason_of, usage_of
from serving.gateway.upstream import Engine, event_error

EVENT_STREAM: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What is sent to the engine and how its answer is to be shown."""

    path: str
    body: bytes
    stream: bool
    show_usage: bool


class Relay:
    """The way to the engine and back, with its two deadlines."""

    def __init__(self, engine: Engine, watch: EngineWatch, idle_timeout_seconds: float) -> None:
        self._engine = engine
        self._watch = watch
        # A whole answer, or a first token behind a queue, takes as long as the engine works on it.
        self._first_byte = Phase(
            idle_timeout_seconds, _too_slow("first byte", idle_timeout_seconds), watch.worked_within
        )
        self._between = Phase(idle_timeout_seconds, _too_slow("stream", idle_timeout_seconds))

    async def serve(self, exchange: Exchange, request: EngineRequest) -> None:
        """Serve one request; raises what the client is to be told."""
        exchange.interruption.enter(self._first_byte)
        try:
            async with self._engine.post(
                request.path, request.body, exchange.request_id
            ) as response:
                if request.stream:
                    await self._stream(exchange, response, show_usage=request.show_usage)
                else:
                    await self._whole(exchange, response)
        except EngineUnavailable:
            self._watch.look_now()
            raise

    async def _stream(
        self, exchange: Exchange, response: aiohttp.ClientResponse, *, show_usage: bool
    ) -> None:
        """Relay events as they come; status and headers wait for the first of them."""
        scan = StreamScan(show_usage=show_usage)
        seen = exchange.seen = scan.seen
        while chunk := await response.content.readany():
            data = scan.feed(chunk)
            if data and not exchange.streaming:
                await exchange.start_stream(EVENT_STREAM)
            if exchange.first_answer_seconds is None:
                exchange.note(seen)
            if seen.ended:
                await exchange.end(data)
                return
            if data:
                await exchange.write(data)
            if seen.error is not None:
                raise event_error(seen.error)
            exchange.interruption.enter(self._between)
        raise EngineFailed("The engine ended its answer too early.")

    async def _whole(self, exchange: Exchange, response: aiohttp.ClientResponse) -> None:
        body = await response.read()
        if not body.startswith(b"{") or not body.rstrip().endswith(b"}"):
            raise EngineFailed("The engine answered something that is not a JSON object.")
        exchange.seen = Seen(usage=usage_of(body), finish_reason=finish_reason_of(body))
        await exchange.answer(200, body)


def _too_slow(phase: str, seconds: float) -> Callable[[], EngineTimeout]:
    return lambda: EngineTimeout(f"The engine was silent for {seconds:g} seconds (phase: {phase}).")
