"""A streaming chat client: the only place of the load tests that takes timestamps of requests.

It reads the body one transfer chunk at a time, so that an event is seen when it arrives and not
when a buffer is full. It blocks; Locust's patched sockets make it cooperative.
"""

import http.client
import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from loadtests.endpoint import Endpoint
from loadtests.events import EventDecoder, EventTooLarge

MAX_ERROR_BYTES = 65536
MAX_READ_BYTES = 65536
MAX_DETAIL_CHARACTERS = 300
END_OF_BODY_SECONDS = 1.0


class Outcome(StrEnum):
    """How a request ended; all but the first are failures."""

    ANSWERED = "answered"
    NO_ANSWER = "no answer"
    HTTP_ERROR = "http error"
    STREAM_ERROR = "stream error"
    CUT_STREAM = "cut stream"
    NO_CONNECTION = "no connection"
    TIMEOUT = "timeout"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take; none of them is infinite."""

    connect_seconds: float = 5.0
    silence_seconds: float = 60.0
    request_seconds: float = 600.0


@dataclass(slots=True)
class Exchange:
    """What one request has shown so far; times are `perf_counter` seconds, None where not seen."""

    sent: float = 0.0
    first_byte: float | None = None
    first_token: float | None = None
    first_reasoning: float | None = None
    first_answer: float | None = None
    last_token: float | None = None
    done: float | None = None
    outcome: Outcome = Outcome.UNFINISHED
    detail: str = ""
    status: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    fragments: int = 0
    answer: list[str] = field(default_factory=list)

    def observe(self, event: dict[str, Any], now: float) -> None:
        """Take in one event that arrived at `now`."""
        self.model = event.get("model") or self.model
        self.fingerprint = event.get("system_fingerprint") or self.fingerprint
        self.usage = event.get("usage") or self.usage
        for choice in event.get("choices") or ():
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            self._observe_delta(choice.get("delta") or {}, now)

    def _observe_delta(self, delta: dict[str, Any], now: float) -> None:
        reasoning = delta.get("reasoning") or delta.get("reasoning_content")
        answer = delta.get("content")
        calls = delta.get("tool_calls")
        if not (reasoning or answer or calls):
            return
        self.fragments += 1
        self.last_token = now
        if self.first_token is None:
            self.first_token = now
        if reasoning and self.first_reasoning is None:
            self.first_reasoning = now
        if answer:
            self.answer.append(answer)
        if self.first_answer is None and (calls or (answer and not answer.isspace())):
            self.first_answer = now


class RequestFailed(Exception):
    """Ends an exchange with an outcome and a short reason."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = " ".join(detail.split())[:MAX_DETAIL_CHARACTERS]


class ChatClient:
    """Sends chat requests one after another over one kept-alive connection; never retries."""

    def __init__(self, endpoint: Endpoint, limits: Limits | None = None) -> None:
        self._endpoint = endpoint
        self._limits = limits or Limits()
        self._headers = endpoint.headers | {"Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, body: bytes, exchange: Exchange) -> None:
        """Send one request and fill `exchange` as the answer arrives.

        A failure is an outcome, not an exception. An exchange that is broken off from outside
        (a killed greenlet, an interrupt) keeps what it saw and stays `UNFINISHED`.
        """
        exchange.sent = time.perf_counter()
        try:
            with self._send(body) as response:
                exchange.first_byte = time.perf_counter()
                exchange.status = response.status
                self._read(response, exchange)
            answered = exchange.first_answer is not None
            exchange.outcome = Outcome.ANSWERED if answered else Outcome.NO_ANSWER
        except RequestFailed as failed:
            exchange.outcome, exchange.detail = failed.outcome, failed.detail
        finally:
            if exchange.done is None:
                exchange.done = time.perf_counter()
            if exchange.outcome not in (Outcome.ANSWERED, Outcome.NO_ANSWER):
                self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, body: bytes) -> http.client.HTTPResponse:
        """Send the request and wait for the response's header."""
        if self._connection is not None and self._connection.sock is None:
            self._connection = None
        try:
            if self._connection is None:
                self._connection = self._endpoint.connection(self._limits.connect_seconds)
                self._connection.sock.settimeout(self._limits.silence_seconds)
        except OSError as error:
            raise RequestFailed(Outcome.NO_CONNECTION, _reason(error)) from None
        try:
            path = f"{self._endpoint.base_path}/chat/completions"
            self._connection.request("POST", path, body, self._headers)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from None

    def _read(self, response: http.client.HTTPResponse, exchange: Exchange) -> None:
        """Read the stream up to `[DONE]`."""
        if response.status != http.HTTPStatus.OK:
            raise RequestFailed(Outcome.HTTP_ERROR, _error_text(_error_body(response)))
        kind = response.headers.get_content_type()
        if kind != "text/event-stream":
            raise RequestFailed(
                Outcome.STREAM_ERROR, f"the response is {kind}, not an event stream"
            )
        decoder = EventDecoder()
        while chunk := self._chunk(response):
            now = time.perf_counter()
            for payload in _payloads(decoder, chunk):
                if payload == b"[DONE]":
                    exchange.done = now
                    self._end(response)
                    return
                _observe(payload, exchange, now)
            if now - exchange.sent > self._limits.request_seconds:
                limit = f"longer than {self._limits.request_seconds:g} s in all"
                raise RequestFailed(Outcome.TIMEOUT, limit)
        raise RequestFailed(Outcome.CUT_STREAM, "the stream ended without [DONE]")

    def _chunk(self, response: http.client.HTTPResponse) -> bytes:
        """Return what has arrived of the current transfer chunk, waiting for its first byte."""
        try:
            return response.read1(MAX_READ_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None

    def _end(self, response: http.client.HTTPResponse) -> None:
        """Read the empty last chunk, so that the connection serves the next request.

        The answer is complete already: whatever goes wrong here costs the connection only.
        """
        if self._connection is None or self._connection.sock is None:
            return
        self._connection.sock.settimeout(END_OF_BODY_SECONDS)
        try:
            rest = response.read1(MAX_READ_BYTES)
        except (OSError, http.client.HTTPException, ValueError):
            rest = b"more"
        if rest or not response.isclosed():
            self.close()
        else:
            self._connection.sock.settimeout(self._limits.silence_seconds)

    def _broken(self, error: Exception) -> RequestFailed:
        if isinstance(error, TimeoutError):
            silence = f"not a byte for {self._limits.silence_seconds:g} s"
            return RequestFailed(Outcome.TIMEOUT, silence)
        return RequestFailed(Outcome.CUT_STREAM, _reason(error))


def _error_body(response: http.client.HTTPResponse) -> bytes:
    """Read the body of an error; the status says enough where the body does not come."""
    try:
        return response.read(MAX_ERROR_BYTES)
    except (OSError, http.client.HTTPException, ValueError):
        return b""


def _payloads(decoder: EventDecoder, chunk: bytes) -> list[bytes]:
    try:
        return decoder.feed(chunk)
    except EventTooLarge:
        raise RequestFailed(Outcome.STREAM_ERROR, "an event is larger than 1 MiB") from None


def _observe(payload: bytes, exchange: Exchange, now: float) -> None:
    """Parse one event and hand it on; anything but a chat chunk fails the request."""
    try:
        event = json.loads(payload)
        if event.get("error"):
            raise RequestFailed(Outcome.STREAM_ERROR, _error_text(payload))
        exchange.observe(event, now)
    except (ValueError, AttributeError, TypeError):
        shown = payload[:100].decode(errors="replace")
        raise RequestFailed(Outcome.STREAM_ERROR, f"not a chat chunk: {shown}") from None


def _error_text(body: bytes) -> str:
    """Pick the message out of an error body of any form."""
    try:
        error = json.loads(body)["error"]
        return str(error.get("message") or error)
    except (ValueError, TypeError, KeyError, AttributeError):
        return body.decode(errors="replace")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
