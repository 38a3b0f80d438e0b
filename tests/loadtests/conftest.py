"""A scripted chat server on a real socket that writes down when it sent what."""

import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from serving.ports import free_ports

# How long a thing that must happen is waited for; no verdict hangs on when it does.
WAIT_SECONDS = 60


@dataclass
class Sent:
    """What the server did, in `perf_counter` seconds, which all processes of a machine share."""

    connections: int = 0
    headers: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[tuple[str, float]] = field(default_factory=list)

    def time_of(self, label: str) -> float:
        """Return when the thing with this label was sent."""
        return next(moment for name, moment in self.times if name == label)


class Stream:
    """What a script may do with one response."""

    def __init__(self, connection: socket.socket, sent: Sent, body: dict[str, Any]) -> None:
        self._connection = connection
        self._sent = sent
        self.body = body
        self.closed = False

    def raw(self, data: bytes, label: str = "raw") -> None:
        """Send bytes and write down the moment before they left."""
        self._sent.times.append((label, time.perf_counter()))
        self._connection.sendall(data)

    def head(self, status: int = 200, kind: str = "text/event-stream", more: str = "") -> None:
        """Send the header of a chunked response; `more` are further fields, each with its end."""
        fields = f"Content-Type: {kind}\r\n{more}Transfer-Encoding: chunked\r\n\r\n"
        self.raw(f"HTTP/1.1 {status} X\r\n{fields}".encode(), "head")

    def chunk(self, data: bytes, label: str = "chunk") -> None:
        """Send one transfer chunk."""
        self.raw(b"%x\r\n%b\r\n" % (len(data), data), label)

    def event(self, label: str = "event", **delta: Any) -> None:
        """Send one chat chunk with this delta."""
        self.chunk(chat_event(delta), label)

    def finish(self, reason: str = "stop", **usage: Any) -> None:
        """Send finish reason, usage, `[DONE]` and the end of the body."""
        end = {"model": "scripted", "choices": [{"delta": {}, "finish_reason": reason}]}
        usage = {"model": "scripted", "choices": [], "usage": usage} if usage else {}
        payloads = [json.dumps(event).encode() for event in (end, usage) if event]
        events = b"".join(b"data: %b\n\n" % payload for payload in [*payloads, b"[DONE]"])
        self.raw(b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events), "finish")

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket(fileno=self._connection.detach()).close()
        self.closed = True

    def until_client_leaves(self) -> None:
        """Wait for the client to close the connection."""
        with suppress(OSError):
            self._connection.recv(1)
        self.closed = True

    def cut(self) -> None:
        """Close the connection in the middle of the body."""
        self.closed = True

    def json(self, status: int, value: Any) -> None:
        """Send a whole JSON response."""
        body = json.dumps(value).encode()
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.raw(f"HTTP/1.1 {status} X\r\n{fields}".encode() + body, "json")


def chat_event(delta: dict[str, Any]) -> bytes:
    """Encode one chat chunk as an event."""
    value = {"model": "scripted", "choices": [{"index": 0, "delta": delta}]}
    return b"data: %b\n\n" % json.dumps(value).encode()


Script = Callable[[Stream], None]


class ScriptedServer(socketserver.ThreadingTCPServer):
    """Answers GET as a healthy endpoint and each POST by `script`, under TLS where it has that."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent = Sent()
        self.script: Script = answer
        self.pages: dict[str, tuple[int, Any]] = {
            "/v1/models": (200, {"data": [{"id": "scripted"}]}),
            "/version": (200, {"version": "0.0.1"}),
        }
        self.tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its handshake is made when it is first read."""
        connection, address = super().get_request()
        if self.tls is None:
            return connection, address
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self.tls
        late = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return late, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away: tests cut connections on purpose."""


class _Handler(socketserver.StreamRequestHandler):
    server: ScriptedServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.sent.connections += 1
        while line := self.rfile.readline():
            method, path, _ = line.decode().split()
            stream = Stream(self.connection, self.server.sent, self._body())
            if method == "GET":
                stream.json(*self.server.pages.get(path, (404, {"error": {"message": "no"}})))
            else:
                self.server.script(stream)
            if stream.closed:
                return

    def _body(self) -> dict[str, Any]:
        length = 0
        while (line := self.rfile.readline().decode().strip()) != "":
            self.server.sent.headers.append(line)
            name, value = line.split(":", 1)
            if name.lower() == "content-length":
                length = int(value)
        body: dict[str, Any] = json.loads(self.rfile.read(length)) if length else {}
        if body:
            self.server.sent.bodies.append(body)
        return body


def answer(stream: Stream) -> None:
    """Think and answer at once."""
    stream.head()
    stream.event("role", role="assistant", content="")
    stream.event("thought", reasoning="12 plus 7")
    stream.event("answer", content="19")
    details = {"reasoning_tokens": 3}
    stream.finish(prompt_tokens=9, completion_tokens=5, completion_tokens_details=details)


@contextmanager
def serving() -> Iterator[ScriptedServer]:
    """Serve from a thread."""
    with ScriptedServer() as scripted:
        thread = threading.Thread(target=scripted.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield scripted
        scripted.shutdown()
        thread.join(WAIT_SECONDS)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that answers until the test is over."""
    with serving() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def module_server() -> Iterator[ScriptedServer]:
    """One for all tests of a module."""
    with serving() as scripted:
        yield scripted


@pytest.fixture
def unused_url() -> str:
    """A URL on which nothing listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"
