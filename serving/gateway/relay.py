"""Passes a request to the engine and its answer back, streamed or whole."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from serving.catalogue import Price
from serving.gateway.answer import Usage
from serving.gateway.assembly import Assembly
from serving.gateway.body import Piece
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import EngineFailed, EngineTimeout, EngineUnavailable
from serving.gateway.exchange import Exchange
from serving.gateway.interruption import Phase
from serving.gateway.pricing import settle
from serving.gateway.refusal import event_error
from serving.gateway.stop import StopTexts
from serving.gateway.stream import (
    Seen,
    StreamScan,
    finish_reason_of,
    is_broken_off,
    usage_of,
)
from serving.gateway.timeline import Stage
from serving.gateway.upstream import Engine
from serving.gateway.view import View

# The engine shows life after 10 s of silence; a client that hears nothing then is told, too.
SILENCE_SECONDS: Final = 9.0


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What is sent to the engine, and how its answer is to be read and shown.

    Stop texts of the answer are matched here, in a stream: `stop` makes the engine's answer one
    even where the client wants it whole.
    """

    path: str
    body: list[Piece]
    stream: bool
    view: View
    price: Price
    thinking_token_budget: int | None = None
    choices: int = 1
    stop: StopTexts | None = None

    def settle(self, usage: Usage | None) -> Usage | None:
        """Complete the engine's count by cost and by the budget's verdict.

        The engine counts all choices in one: only if all hit the budget is it certain that one did.
        """
        if usage is not None:
            settle(usage, self.price)
            budget = self.thinking_token_budget
            hit = budget is not None and 0 <= budget * self.choices <= usage.reasoning
            usage.reasoning_budget_hit = hit
        return usage


class _Counted(msgspec.Struct):
    count: int


class Relay:
    """The way to the engine and back, with its two deadlines."""

    def __init__(self, engine: Engine, watch: EngineWatch, idle_timeout_seconds: float) -> None:
        self._engine = engine
        self._watch = watch
        # A whole answer, or a first token behind a queue, takes as long as the engine works on it.
        self._first_byte = Phase(
            idle_timeout_seconds,
            _too_slow("first byte", idle_timeout_seconds),
            goes_on=watch.worked_within,
            in_vain=lambda: watch.timeout("first byte"),
        )
        self._between = Phase(
            idle_timeout_seconds,
            _too_slow("stream", idle_timeout_seconds),
            in_vain=lambda: watch.timeout("stream"),
        )

    async def serve(self, exchange: Exchange, request: EngineRequest) -> None:
        """Serve one request; raises what the client is to be told."""
        self._watch.require_sound()
        exchange.interruption.enter(self._first_byte)
        exchange.view = request.view
        exchange.journal.enter(Stage.PREFILL)
        try:
            async with self._engine.post(
                request.path, request.body, exchange.request_id, trace=exchange.trace.headers
            ) as response:
                request.body.clear()  # the engine has it, and an answer may take minutes
                exchange.memory.give_back()
                if request.stream:
                    await self._stream(exchange, response, request)
                elif request.stop is not None:
                    await self._assembled(exchange, response, request, request.stop)
                else:
                    await self._whole(exchange, response, request)
        except (EngineUnavailable, EngineFailed):
            self._watch.look_now()
            raise

    async def count(self, exchange: Exchange, body: Sequence[Piece]) -> int:
        """Return how many tokens the engine makes of messages, pictures included."""
        self._watch.require_sound()
        exchange.interruption.enter(self._first_byte)
        async with self._engine.post(
            "/tokenize", body, exchange.request_id, computes=False
        ) as response:
            answer = await response.read()
        exchange.interruption.leave()
        try:
            return msgspec.json.decode(answer, type=_Counted).count
        except msgspec.MsgspecError:
            raise EngineFailed("The engine's count of tokens cannot be read.") from None

    async def _stream(
        self, exchange: Exchange, response: aiohttp.ClientResponse, request: EngineRequest
    ) -> None:
        """Relay events as they come; status and headers wait for the first of them."""
        view, stop, journal = request.view, request.stop, exchange.journal
        scan = StreamScan()
        seen = journal.seen = scan.seen
        clock = asyncio.get_running_loop().time
        heard = written = clock()
        phase = self._first_byte
        while chunk := await response.content.readany():
            if data := scan.feed(chunk):
                heard, phase = clock(), self._between
                journal.heard(seen)
                data = view.events(data if stop is None else _stopped(data, seen, stop))
            if ended := seen.ended and not seen.broken_off:
                data += view.end(request.settle(seen.usage))
            elif not data and clock() - written >= SILENCE_SECONDS:
                data = view.comment
            if data:
                written = clock()
                await exchange.stream(data, last=ended)
            if ended:
                return
            _check(seen)
            exchange.interruption.enter(phase, since=heard)
        raise EngineFailed("The engine ended its answer too early.")

    async def _assembled(
        self,
        exchange: Exchange,
        response: aiohttp.ClientResponse,
        request: EngineRequest,
        stop: StopTexts,
    ) -> None:
        """Put the engine's stream together up to a stop text, and answer with the whole."""
        scan, assembly = StreamScan(), Assembly()
        seen = exchange.journal.seen = scan.seen
        clock = asyncio.get_running_loop().time
        heard, phase = clock(), self._first_byte
        while not seen.ended and (chunk := await response.content.readany()):
            if data := scan.feed(chunk):
                heard, phase = clock(), self._between
                exchange.journal.heard(seen)
                assembly.feed(_stopped(data, seen, stop))
            _check(seen)
            exchange.interruption.enter(phase, since=heard)
        if not seen.ended:
            raise EngineFailed("The engine ended its answer too early.")
        usage = request.settle(seen.usage)
        await exchange.answer(200, request.view.whole(assembly.answer(), usage))

    async def _whole(
        self, exchange: Exchange, response: aiohttp.ClientResponse, request: EngineRequest
    ) -> None:
        body = await response.read()
        if not body.startswith(b"{") or not body.rstrip().endswith(b"}"):
            raise EngineFailed("The engine answered something that is not a JSON object.")
        usage = request.settle(usage_of(body))
        exchange.journal.whole(Seen(usage=usage, finish_reason=finish_reason_of(body)))
        if is_broken_off(body):
            raise _broken_off()
        await exchange.answer(200, request.view.whole(body, usage))


def _stopped(block: bytes, seen: Seen, stop: StopTexts) -> bytes:
    """Cut a block at stop texts; where they have ended every answer, the stream ends with it.

    What the engine made after that, and counted if it came in the same block, is nobody's.
    """
    block = stop.feed(block)
    if stop.cut:
        seen.ended, seen.usage, seen.finish_reason = True, stop.usage, "stop"
    return block


def _check(seen: Seen) -> None:
    """Raise what the engine said to have gone wrong, unless the answer had ended before."""
    if seen.ended and seen.broken_off:
        raise _broken_off()
    if seen.error is not None and not seen.ended:
        raise event_error(seen.error)


def _broken_off() -> EngineFailed:
    return EngineFailed("The engine broke the answer off.")


def _too_slow(phase: str, seconds: float) -> Callable[[], EngineTimeout]:
    return lambda: EngineTimeout(f"The engine was silent for {seconds:g} seconds (phase: {phase}).")
