"""One request and its answer: id, body, deadlines, bytes out, and the books at its end."""

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl

from serving.gateway import envelope
from serving.gateway.answer_headers import Headers, with_security
from serving.gateway.books import Books
from serving.gateway.dialect import Dialect, dialect_of
from serving.gateway.envelope import Envelope
from serving.gateway.errors import (
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    ClientDeadline,
    ClientLost,
    DeadlineExceeded,
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    EngineUnavailable,
    GatewayError,
    InternalError,
)
from serving.gateway.interruption import Interruption, Phase
from serving.gateway.journal import Journal
from serving.gateway.key import ANYBODY, Key
from serving.gateway.memory_budget import MemoryBudget
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.server_timing import server_timing
from serving.gateway.timeline import Stage
from serving.gateway.tracing import Tracer
from serving.gateway.view import View
from serving.logs import describe
from serving.options import GatewaySettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger(__name__)

REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
TIMEOUT_HEADER: Final = b"x-request-timeout"
SECONDS: Final = re.compile(rb"\d{1,9}(?:\.\d{1,9})?")
LAST_WORDS_SECONDS: Final = 2.0
JSON: Final = [(b"content-type", b"application/json")]
EVENT_STREAM: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]
ENGINE_ERRORS: Final = {
    EngineRefused: "refused",
    EngineFailed: "failed",
    EngineUnavailable: "unavailable",
    EngineTimeout: "timeout",
}


@dataclass(frozen=True, slots=True)
class Common:
    """What all exchanges of a gateway share."""

    limits: GatewaySettings
    metrics: GatewayMetrics
    memory: MemoryBudget
    books: Books
    tracer: Tracer


class Exchange:
    """One HTTP request on its way through the gateway."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, common: Common) -> None:
        gateway = common.limits
        self.memory = common.memory.share()
        self._receive = receive
        self._send = send
        self._gateway = gateway
        self._metrics = common.metrics
        self._books = common.books
        self._abort: Callable[[], None] = scope["state"]["abort"]
        self.tls = scope["scheme"] == "https"
        self._reader = Phase(gateway.stalled_reader_seconds, lambda: ClientLost("reader_stalled"))
        self._watcher: asyncio.Task[None] | None = None
        self.method: str = scope["method"]
        self._query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = self._accepted_id()
        self.dialect: Dialect = dialect_of(scope["path"])
        self.envelope: Envelope = self.dialect.envelope
        self.view: View | None = None
        self.interruption = Interruption()
        self.journal = Journal(self.request_id, self.headers, common.metrics.requests.inter_token)
        self.record = self.journal.record
        self.record.dialect = self.dialect.name
        self.trace = common.tracer.begin(scope["headers"])
        self.streaming = False
        self.key = ANYBODY
        self.headers_out: Headers = []

    @property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; of one that is there twice the last counts."""
        return dict(parse_qsl(self._query.decode("latin-1")))

    def know(self, key: Key) -> None:
        """Take down whose request it is."""
        self.key = key
        self.record.known, self.record.key_id, self.record.key = True, key.id, key.name

    async def read_body(self) -> bytearray:
        """Return the whole body; raises BadRequest, BodyTooLarge, BodyTooSlow or ClientLost.

        A body somewhat over the limit is read to its end, so that its sender gets to read why it
        was refused; from then on the client is watched for hanging up.
        """
        limit = self._gateway.max_body_bytes
        declared = self.headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > 2 * limit:
            raise self._too_large()
        body = bytearray()
        size, more = 0, True
        while more:
            self.interruption.enter(self._body_phase(size))
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLost("client_gone")
            more = message.get("more_body", False)
            size += len(message["body"])
            if size > 2 * limit:
                break
            if size <= limit:
                self.memory.take(len(message["body"]))
                body += message["body"]
        if size > limit:
            raise self._too_large()
        self._check_encoding()
        self.interruption.leave()
        self.record.body_bytes = size
        self.journal.enter(Stage.ADMITTED)
        self._watcher = asyncio.create_task(self._watch_client())
        return body

    def limit_time(self) -> None:
        """Set the deadline, the server's or the client's own; raises BadRequest."""
        limit, error = self._gateway.max_request_seconds, DeadlineExceeded
        asked = self.headers.get(TIMEOUT_HEADER)
        if asked is not None:
            if not SECONDS.fullmatch(asked) or not float(asked):
                raise BadRequest(
                    "The header X-Request-Timeout is no number of seconds above 0. Correct it, or "
                    "leave it out.",
                    code="invalid_value",
                )
            if limit is None or float(asked) < limit:
                limit, error = float(asked), ClientDeadline
        if limit is not None:
            self.interruption.limit(
                limit,
                lambda: error(
                    f"The answer was not finished within {limit:g} seconds, the request's deadline."
                ),
            )

    async def stream(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of a stream; from the first one on, errors are events.

        A client that does not take it in time is ClientLost.
        """
        if not self.streaming:
            await self._start(200, EVENT_STREAM)
            self.streaming = True
        self.interruption.enter(self._reader)
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def answer(self, status: int, body: bytes, headers: Headers = JSON) -> None:
        """Send a whole answer."""
        if status != 304:  # it would be the length of what the client has
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._start(status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: BaseException) -> None:
        """Tell the client in the form that is still open, and note the outcome."""
        if isinstance(error, ClientLost):
            self.record.outcome = error.outcome
            await self._hang_up()
            return
        if isinstance(error, RecursionError):
            # Only a client's JSON is nested; what could just be read may be too deep to be written.
            error = BadRequest("The request's JSON is nested too deeply.", code="invalid_json")
        if not isinstance(error, GatewayError):
            logger.error("in request %s: %s", self.request_id, describe(error))
            error = InternalError("The gateway failed. The operator's log has the request's id.")
        self.record.outcome, self.record.error = error.outcome, error.code
        if (reason := ENGINE_ERRORS.get(type(error))) is not None:
            self._metrics.engine.errors.labels(reason).inc()
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                if self.streaming and self.view is not None:
                    await self.stream(self.view.error(error), last=True)
                elif not self.record.status:
                    body = self.envelope(error, self.request_id)
                    await self.answer(error.status, body, _error_headers(error))
                else:
                    await self._hang_up()
        except TimeoutError:
            await self._hang_up()

    def finish(self) -> None:
        """Close the books: once for every request, however it ended."""
        if self._watcher is not None:
            self._watcher.cancel()
        self.memory.give_back()
        self._books.enter(self.journal.close(), self.trace)

    async def _start(self, status: int, headers: Headers) -> None:
        self.record.status = status
        self.interruption.enter(self._reader)
        request_id = self.request_id.encode()
        headers = [*headers, *self.headers_out, (b"x-request-id", request_id)]
        if self.dialect.is_openrouter:
            headers.append((b"x-generation-id", b"gen-" + request_id.removeprefix(b"req_")))
        if self.envelope is envelope.anthropic:
            headers.append((b"request-id", request_id))
        if timing := server_timing(self.journal.timeline, perf_counter()):
            headers.append((b"server-timing", timing))
        headers = with_security(headers, tls=self.tls)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _hang_up(self) -> None:
        """Drop the connection and what it still had to send; the server needs a turn to notice."""
        self._abort()
        await asyncio.sleep(0)

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.interruption.interrupt(ClientLost("client_gone"))

    def _body_phase(self, size: int) -> Phase:
        """Allow for a body what its size so far has earned at the lowest rate."""
        allowed = (
            self._gateway.header_timeout_seconds + size / self._gateway.min_body_bytes_per_second
        )
        elapsed = self.journal.elapsed
        rate = self._gateway.min_body_bytes_per_second
        return Phase(
            max(0.0, allowed - elapsed),
            lambda: BodyTooSlow(f"The request body arrived at less than {rate} bytes a second."),
        )

    def _check_encoding(self) -> None:
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        if encoding not in {b"identity", b""}:
            raise BadRequest(
                "The request body is packed. Send it plain, without Content-Encoding.",
                code="invalid_value",
            )

    def _too_large(self) -> BodyTooLarge:
        limit = self._gateway.max_body_bytes
        return BodyTooLarge(f"The request body is larger than the limit of {limit} bytes.")

    def _accepted_id(self) -> str:
        offered = self.headers.get(b"x-request-id", b"")
        if REQUEST_ID.fullmatch(offered):
            return offered.decode()
        return f"req_{uuid.uuid4().hex}"


def _error_headers(error: GatewayError) -> Headers:
    headers = [*JSON, *error.headers()]
    if error.status in {408, 413, 503}:
        # The rest of a refused body, or a server on its way out, is no ground for another request.
        headers.append((b"connection", b"close"))
    return headers
