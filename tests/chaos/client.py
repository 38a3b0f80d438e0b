"""A client with thousands of streams: requests leave at their times, whatever came of the others.

It takes HTTP/1.1 as it comes from the socket and keeps times, never texts; an idle connection is
used again. It talks to this machine only.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httptools

from tests.chaos.record import Record, Verdict, error_code, judge
from tests.chaos.wait import clock, until

HOST: Final = "127.0.0.1"
# When a request is given up as broken: no experiment asks for an answer that takes so long.
PATIENCE_SECONDS: Final = 180.0
TAIL_BYTES: Final = 4096
HALF_SENT_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    body: bytes
    path: str = "/v1/chat/completions"
    key: str | None = None
    method: str = "POST"

    def head(self) -> bytes:
        """Return the request line and headers."""
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            "host: chaos",
            "content-type: application/json",
        ]
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        lines.append(f"content-length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def question(key: str | None = None, **fields: Any) -> Request:
    """Return a streamed chat request."""
    messages = [{"role": "user", "content": "What is 12 + 7?"}]
    return Request(json.dumps({"stream": True, "messages": messages, **fields}).encode(), key=key)


@dataclass(frozen=True, slots=True)
class Leaving:
    """When a client hangs up: with so much of its body sent, or after so many pieces came."""

    body_bytes: int | None = None
    pieces: int = 0


class Connection(asyncio.Protocol):
    """One connection, with at most one request on it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._record: Record | None = None
        self._done: asyncio.Future[None] | None = None
        self._leaving: Leaving | None = None
        self._streamed = False
        self._pieces = 0
        self._tail = b""
        self.reusable = True

    async def ask(self, request: Request, record: Record, leaving: Leaving | None) -> None:
        """Send a request and wait for the end of its answer."""
        assert self._transport is not None
        self._record, self._leaving = record, leaving
        self._pieces, self._tail, self._streamed = 0, b"", False
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        record.sent = clock()
        sent = None if leaving is None else leaving.body_bytes
        self._transport.write(request.head() + request.body[:sent])
        if leaving is not None and not leaving.pieces:
            await asyncio.sleep(HALF_SENT_SECONDS)
            self._leave()
            return
        try:
            await asyncio.wait_for(self._done, PATIENCE_SECONDS)
        except TimeoutError:
            self.close()
        except asyncio.CancelledError:
            self.close()  # a client that is gone keeps no place
            raise

    def close(self) -> None:
        """Drop the connection."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on; what is no HTTP breaks the request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what still runs."""
        self.reusable = False
        self._end(whole=False)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note what the headers say of the answer."""
        name = name.lower()
        if self._record is not None and name == b"retry-after":
            self._record.retry_after = value.decode("latin-1")
        if name == b"content-type":
            self._streamed = value.startswith(b"text/event-stream")

    def on_headers_complete(self) -> None:
        """Note the status, and whether the connection stays."""
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if self._record is not None:
            self._record.headers = clock()
            self._record.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Note the first event and the last bytes; comments are no events."""
        record = self._record
        if record is None:
            return
        if not self._pieces and not data.startswith(b":"):
            record.first_event = clock()
        self._pieces += not data.startswith(b":")
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        if self._leaving is not None and self._pieces >= self._leaving.pieces:
            self._leave()

    def on_message_complete(self) -> None:
        """Take note of an answer that came to its end."""
        self._end(whole=True)

    def _leave(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            record.verdict, record.ended = Verdict.LEFT, clock()
        self.close()

    def _end(self, *, whole: bool) -> None:
        record, self._record = self._record, None
        if record is not None:
            record.ended = clock()
            record.verdict = judge(record.status, self._tail, whole=whole, streamed=self._streamed)
            if record.verdict is not Verdict.COMPLETE:
                record.error_code = error_code(self._tail)
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class Client:
    """Sends requests to one port of this machine, or to a Unix socket."""

    def __init__(self, address: int | Path) -> None:
        self._address = address
        self._idle: list[Connection] = []

    async def ask(
        self, request: Request, record: Record | None = None, leaving: Leaving | None = None
    ) -> Record:
        """Send one request and return what came of it; a record given is kept up to date.

        Whatever the server does is no exception here.
        """
        record = Record(clock(), key=request.key) if record is None else record
        try:
            connection = await self._connection()
        except OSError:
            record.ended = clock()
            return record
        await connection.ask(request, record, leaving)
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return record

    async def at_times(self, request: Request, times: Iterable[float]) -> list[Record]:
        """Send a request at each time (seconds from now), and return what came of all.

        Nothing waits for an answer; where this client itself is late, the record's times tell.
        """
        begin = clock()
        tasks = []
        for at in times:
            await asyncio.sleep(max(0.0, begin + at - clock()))
            record = Record(begin + at, key=request.key)
            tasks.append(asyncio.ensure_future(self.ask(request, record)))
        return list(await asyncio.gather(*tasks))

    @asynccontextmanager
    async def streams(self, request: Request, count: int) -> AsyncIterator[list[Record]]:
        """Run streams, each past its first event; leaving the block waits for their ends."""
        records = [Record(clock(), key=request.key) for _ in range(count)]
        tasks = [asyncio.ensure_future(self.ask(request, record)) for record in records]
        await until(
            lambda: all(min(r.first_event, r.ended) < clock() for r in records), PATIENCE_SECONDS
        )
        try:
            yield records
        finally:
            await asyncio.gather(*tasks)

    def close(self) -> None:
        """Drop idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        loop = asyncio.get_running_loop()
        if isinstance(self._address, Path):
            _, connection = await loop.create_unix_connection(Connection, str(self._address))
        else:
            _, connection = await loop.create_connection(Connection, HOST, self._address)
        return connection


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the times of a Poisson process of `rate` a second, the same for the same seed."""
    chance = random.Random(seed)
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)
