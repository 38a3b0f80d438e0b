"""A client's connection: headers in time and in size, and no reader that holds it for ever."""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from serving.gateway import envelope
from serving.gateway.answer_headers import with_security
from serving.gateway.errors import GatewayError, TooManyConnections
from serving.gateway.head import MAX_HEAD_BYTES, head_too_large, malformed
from serving.options import GatewaySettings

JSON_AND_CLOSE: Final = [(b"content-type", b"application/json"), (b"connection", b"close")]
RETRY_SECONDS: Final = 5


class Connection(HttpToolsProtocol):
    """A connection whose headers come in time and in size, and that no client holds for ever.

    What is no request is answered here, in OpenAI's form, and ends the connection.
    """

    limits: GatewaySettings
    max_connections: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Bound what the client may leave unread, and wait for headers."""
        super().connection_made(transport)
        self.access_log = False  # the gateway writes its own, without paths
        transport.set_write_buffer_limits(high=max(1024, self.limits.stream_buffer_bytes // 2))
        self._header_bytes = 0
        self._answered: RequestResponseCycle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._end_in(self.limits.header_timeout_seconds)
        if len(self.connections) > self.max_connections:
            self._refuse(_too_many())

    def data_received(self, data: bytes) -> None:
        """Bound what comes between bodies: headers, but trailers and framing too."""
        if self.transport.is_closing():
            return
        self._header_bytes += len(data)
        left: bytes | memoryview = memoryview(data)
        while left and not self.transport.is_closing():
            left = self._feed(left)
        if self._header_bytes > MAX_HEAD_BYTES:
            self._refuse(head_too_large())

    def on_message_begin(self) -> None:
        """Start the clock for a further request of a kept connection, which is idle no more."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self.scope["state"]["abort"] = self._hang_up
        if self._end is None:
            self._end_in(self.limits.header_timeout_seconds)

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._go_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Start to count anew."""
        self._header_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self._go_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the clock for the rest of a refused body, or of an answer that is not read."""
        super().on_response_complete()
        if self._end is not None:  # the next head has begun, and has its own clock
            self._unset_keepalive_if_required()
        if self.transport.is_closing() or (self.cycle.response_complete and self.cycle.more_body):
            self._end_in(self.limits.stalled_reader_seconds)

    def timeout_keep_alive_handler(self) -> None:
        """Drop an idle connection with what its reader has left unread."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell the request that is being answered."""
        self._go_on()
        self._tell_lost()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Note which request is answered: with others queued behind, uvicorn knows the last."""
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_lost(self) -> None:
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _hang_up(self) -> None:
        self.transport.abort()
        self._tell_lost()

    def _should_upgrade(self) -> bool:
        """Have the parser stop at a wish for another protocol: see `_begin_anew`."""
        return True

    def _feed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse up to a wish for another protocol; return what stands behind it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            self._begin_anew()
            return data[wish.args[0] :]
        except httptools.HttpParserError:
            self._refuse(malformed())
        return b""

    def _begin_anew(self) -> None:
        """Read a request that wishes for another protocol as one without the wish, body and all.

        HTTP wants the wish ignored; the parser would drop the body behind it.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(malformed("This server is no proxy."))
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._feed(b"\r\n".join([*lines, b"", b""]))

    def _refuse(self, error: GatewayError) -> None:
        """Answer what is no request and close; break off where it would be a second answer."""
        if self.transport.is_closing():
            return
        cycle = self._answered
        if cycle and cycle.response_started and (cycle.more_body or not cycle.response_complete):
            self.transport.abort()
            return
        body = envelope.openai(error, "")
        headers = [*JSON_AND_CLOSE, *error.headers(), (b"content-length", b"%d" % len(body))]
        lines = [
            b"%b: %b\r\n" % header for header in with_security(headers, tls=self.scheme == "https")
        ]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body]))
        self.transport.close()
        self._end_in(self.limits.stalled_reader_seconds)

    def _end_in(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _go_on(self) -> None:
        self._header_bytes = 0
        if self._end is not None:
            self._end.cancel()
            self._end = None


def _too_many() -> TooManyConnections:
    return TooManyConnections(
        "This server has all the connections it can hold. Use fewer, or try again soon.",
        retry_after_seconds=RETRY_SECONDS,
    )
