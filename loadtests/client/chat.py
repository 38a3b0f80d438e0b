"""A streaming chat client: the only place of the load tests that takes timestamps of requests.

All of them are of one monotonic clock; what was received has the time at which it arrived (see
`arrivals`). It blocks; Locust's patched sockets make it cooperative.
"""

import time
from typing import Final

from loadtests.client.arrivals import Connection, connect
from loadtests.client.exchange import Exchange
from loadtests.client.reply import Limits, Reply, RequestFailed, reason
from loadtests.endpoint import Endpoint
from loadtests.outcome import Outcome

__all__ = ["ChatClient", "Exchange", "Limits"]

# Servers close a connection that was idle for 5 s and more; one that is closed while the next
# request is on its way cannot be told from one that failed, so it is given up before.
IDLE_SECONDS: Final = 4.0
MAX_DETAIL_CHARACTERS: Final = 300


class ChatClient:
    """Sends chat requests one after another over one kept-alive connection; never retries."""

    def __init__(self, endpoint: Endpoint, limits: Limits | None = None) -> None:
        self._endpoint = endpoint
        self._limits = limits or Limits()
        self._connection: Connection | None = None
        self._idle_since = 0.0
        self._head = _request_head(endpoint)
        self.by_kernel = False  # whether the last arrival's time is the kernel's

    def ask(self, body: bytes, exchange: Exchange) -> None:
        """Send one request and fill `exchange` as the answer arrives.

        A failure is an outcome, not an exception. An exchange that is broken off from outside
        (a killed greenlet, an interrupt) keeps what it saw and stays `CENSORED`.
        """
        exchange.sent = time.perf_counter()
        reply: Reply | None = None
        try:
            connection = self._open(exchange.sent)
            reply = Reply(connection, exchange, self._limits)
            reply.send(self._head % len(body), body)
            reply.read_head()
            reply.read_stream()
            answered = exchange.first_answer is not None
            exchange.outcome = Outcome.ANSWERED if answered else Outcome.NO_ANSWER
        except RequestFailed as failed:
            exchange.outcome, exchange.detail = failed.outcome, self._shown(failed.detail)
        finally:
            self._idle_since = time.perf_counter()
            if exchange.done is None:
                exchange.done = self._idle_since
            broken_off = exchange.outcome is Outcome.CENSORED
            if broken_off or reply is None or not reply.ended:
                self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self.by_kernel = self._connection.by_kernel
            self._connection.close()
            self._connection = None

    def _shown(self, detail: str) -> str:
        """Return a reason for the records: cut short, without the key that a server may repeat."""
        key = self._endpoint.key
        return (detail.replace(key, "***") if key else detail)[:MAX_DETAIL_CHARACTERS]

    def _open(self, now: float) -> Connection:
        """Return the kept connection where it still serves, else a new one."""
        kept = self._connection
        if kept is not None and now - self._idle_since < IDLE_SECONDS and kept.is_quiet():
            return kept
        self.close()
        try:
            self._connection = connect(self._endpoint, self._limits.connect_seconds)
        except OSError as error:
            raise RequestFailed(Outcome.NO_CONNECTION, reason(error)) from None
        return self._connection


def _request_head(endpoint: Endpoint) -> bytes:
    """Return the head of every request, with a place for the body's length."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    fields = {"Host": f"{host}:{endpoint.port}", "Accept": "text/event-stream"}
    fields |= {"Content-Type": "application/json"} | endpoint.headers
    lines = [f"POST {endpoint.base_path}/chat/completions HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode().replace(b"%", b"%%") + b"\r\nContent-Length: %d\r\n\r\n"
