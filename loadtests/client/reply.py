"""One request through one connection, and the answer as it comes back."""

import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn

import msgspec

from loadtests.client.arrivals import Connection
from loadtests.client.events import EventDecoder, EventTooLarge
from loadtests.client.exchange import Event, Exchange
from loadtests.client.framing import BadResponse, Body, Head, PlainBody, body_of, split_head
from loadtests.client.usage import NOT_JSON
from loadtests.outcome import Outcome

MAX_ERROR_BYTES: Final = 65536
MAX_FRAGMENTS: Final = 1_000_000
END_OF_BODY_SECONDS: Final = 1.0
# Up to here one packet for head and body is worth a copy.
COPIED_BYTES: Final = 65536
DONE: Final = b"[DONE]"
BROKEN_OFF: Final = frozenset({"error", "abort"})  # finish reasons that no whole answer has
EVENTS: Final = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take; none of them is infinite."""

    connect_seconds: float = 5.0
    silence_seconds: float = 60.0
    request_seconds: float = 600.0


class RequestFailed(Exception):
    """Ends an exchange with an outcome and a reason, on one line."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = " ".join(detail.split())


class Reply:
    """What comes back for one request; each method raises RequestFailed."""

    def __init__(self, connection: Connection, exchange: Exchange, limits: Limits) -> None:
        self._connection, self._exchange, self._limits = connection, exchange, limits
        self._deadline = exchange.sent + limits.request_seconds
        self._head: Head | None = None
        self._body: Body = PlainBody(None)
        self._early, self._arrival = b"", 0.0  # what came together with the head
        connection.started, connection.last = exchange.sent, self._deadline
        connection.wait_at_most(min(limits.silence_seconds, limits.request_seconds))

    @property
    def ended(self) -> bool:
        """Whether the body came to its end and the connection serves another request."""
        return self._head is not None and self._head.keeps_alive and self._body.complete

    def send(self, head: bytes, body: bytes) -> None:
        """Hand the request over; a server that will not take it may have said why."""
        try:
            if len(body) > COPIED_BYTES:
                self._connection.send(head)
                self._connection.send(body)
            else:
                self._connection.send(head + body)
        except (BrokenPipeError, ConnectionResetError):
            return
        except OSError as error:
            self._broken(error)
        self._exchange.uploaded = time.perf_counter()

    def read_head(self) -> None:
        """Wait for the response's head; anything but a stream of events fails."""
        received = b""
        try:
            while (split := split_head(received)) is None:
                data, self._arrival = self._receive()
                if not data:
                    raise RequestFailed(Outcome.CUT_STREAM, "closed before a response")
                received += data
            self._head, self._early = split
            self._body = body_of(self._head)
        except BadResponse as error:
            raise RequestFailed(Outcome.CUT_STREAM, str(error)) from None
        self._exchange.headers = self._arrival
        self._exchange.status = self._head.status
        self._exchange.request_id = self._head.fields.get("x-request-id")
        if self._head.status != HTTPStatus.OK:
            raise RequestFailed(Outcome.HTTP_ERROR, _error_text(self._read_error()))
        if self._head.media_type != "text/event-stream":
            kind = self._head.media_type or "of no type"
            raise RequestFailed(Outcome.STREAM_ERROR, f"the response is {kind}, no event stream")

    def read_stream(self) -> None:
        """Read the events up to `[DONE]`, and the end of the body behind it."""
        decoder = EventDecoder()
        while (content := self._content()) is not None:
            try:
                payloads = decoder.feed(content)
            except EventTooLarge:
                raise RequestFailed(Outcome.STREAM_ERROR, "an event is over 1 MiB") from None
            for payload in payloads:
                if payload == DONE:
                    self._exchange.done = self._arrival
                    return self._read_end()
                self._observe(payload)
        raise RequestFailed(Outcome.CUT_STREAM, "the stream ended without [DONE]")

    def _observe(self, payload: bytes) -> None:
        """Take in one event; anything but a chat chunk fails the request."""
        try:
            event = EVENTS.decode(payload)
        except NOT_JSON:
            shown = payload.decode(errors="replace")
            raise RequestFailed(Outcome.STREAM_ERROR, f"not a chat chunk: {shown}") from None
        if event.error and bytes(event.error) != b"null":
            raise RequestFailed(Outcome.STREAM_ERROR, _error_text(payload))
        self._exchange.observe(event, self._arrival)
        if self._exchange.finish_reason in BROKEN_OFF:
            why = f"the finish reason is {self._exchange.finish_reason!r}"
            raise RequestFailed(Outcome.STREAM_ERROR, why)
        if self._exchange.fragments > MAX_FRAGMENTS:
            raise RequestFailed(Outcome.STREAM_ERROR, f"more than {MAX_FRAGMENTS} events")

    def _content(self) -> bytes | None:
        """Return the body's next bytes, which may be none yet; None at its end."""
        data, self._early = self._early, b""
        if not data:
            if self._body.complete:
                return None
            data, self._arrival = self._receive()
            if not data:
                return None
        try:
            content = self._body.feed(data)
        except BadResponse as error:
            raise RequestFailed(Outcome.CUT_STREAM, str(error)) from None
        if content:
            if self._exchange.first_byte is None:
                self._exchange.first_byte = self._arrival
            self._exchange.body_bytes += len(content)
        return content

    def _receive(self) -> tuple[bytes, float]:
        """Wait for bytes, no longer than silence and the whole request may last."""
        try:
            data, arrival = self._connection.receive()
        except OSError as error:
            self._broken(error)
        left = self._deadline - arrival
        if left < self._limits.silence_seconds:
            if left <= 0:
                self._broken(TimeoutError())
            self._connection.wait_at_most(left)
        return data, arrival

    def _read_error(self) -> bytes:
        """Read the body of an error; the status says enough where the body does not come."""
        body = b""
        with suppress(RequestFailed):
            while len(body) < MAX_ERROR_BYTES and (content := self._content()) is not None:
                body += content
        return body

    def _read_end(self) -> None:
        """Read the body's framing to its end, so that the connection serves the next request.

        The answer is complete already: whatever goes wrong here costs the connection only.
        """
        self._connection.wait_at_most(END_OF_BODY_SECONDS)
        last = time.perf_counter() + END_OF_BODY_SECONDS
        try:
            while not self._body.complete and time.perf_counter() < last:
                data, _ = self._connection.receive()
                if not data or self._body.feed(data):
                    return
        except (OSError, BadResponse):
            return

    def _broken(self, error: OSError) -> NoReturn:
        if not isinstance(error, TimeoutError):
            raise RequestFailed(Outcome.CUT_STREAM, reason(error)) from None
        limits, waited = self._limits, time.perf_counter() - self._exchange.sent
        whole = f"longer than {limits.request_seconds:g} s in all"
        silence = f"not a byte for {limits.silence_seconds:g} s"
        raise RequestFailed(
            Outcome.TIMEOUT, whole if waited >= limits.request_seconds else silence
        ) from None


def _error_text(body: bytes) -> str:
    """Pick the message out of an error body of any form."""
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error["message"] if isinstance(error, dict) and "message" in error else error)
    except (*NOT_JSON, TypeError, KeyError):
        return body.decode(errors="replace")


def reason(error: Exception) -> str:
    """Say what an error says, or at least its name."""
    return str(error) or type(error).__name__
