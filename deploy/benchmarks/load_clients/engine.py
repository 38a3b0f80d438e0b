"""The scripted engine: a streaming chat server that records when it really sent each event.

It runs as a process of its own, one loop over non-blocking sockets: an event goes to the kernel in
the moment its time is taken. `POST /script` begins a run, `GET /truth` tells what was played.
"""

import contextlib
import heapq
import json
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from deploy.benchmarks.load_clients.scripts import MODEL, End, Script

MAX_READ_BYTES = 262_144
# Between two looks at the sockets, so that a flood of due events starves no request.
MAX_EVENTS_AT_ONCE = 64
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
STAMPS = getattr(socket, "SO_TIMESTAMPNS", 35)


@dataclass(slots=True)
class Played:
    """The truth about one request; `monotonic` seconds, which all processes of Linux share."""

    received: float
    end: End
    thoughts: int
    sent: list[float] = field(default_factory=list)
    hung_up: bool = False


class Connection:
    """One client's connection: requests one after another."""

    def __init__(self, engine: "Engine", sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, STAMPS, 1)
        self.sock = sock
        self.unsent = b""
        self.resume: Callable[[], None] | None = None
        self._engine = engine
        self._buffer = b""
        self._played: Played | None = None

    def ready(self, events: int) -> None:
        """Do what the socket is ready for."""
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ:
            self._read()

    def send(self, data: bytes) -> None:
        """Send; what the kernel does not take waits until it does."""
        try:
            taken = self.sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.close()
            return
        self.unsent = data[taken:]
        if self.unsent:
            self._engine.watch(self, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def close(self) -> None:
        """Close; a stream under way is marked as hung up."""
        if self._played is not None:
            self._played.hung_up = True
        self._engine.forget(self)
        self.sock.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.sock.fileno() < 0

    def begin(self, played: Played) -> None:
        """Keep the request that is played now."""
        self._played = played

    def finish(self) -> None:
        """Make ready for the next request."""
        self._played = None

    def _flush(self) -> None:
        self.send(self.unsent)
        if not self.closed and not self.unsent:
            self._engine.watch(self, selectors.EVENT_READ)
            resume, self.resume = self.resume, None
            if resume is not None:
                resume()

    def _read(self) -> None:
        try:
            data, stamps, _, _ = self.sock.recvmsg(MAX_READ_BYTES, 64)
        except BlockingIOError:
            return
        except OSError:
            data, stamps = b"", []
        if not data:
            self.close()
            return
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if found and len(rest) >= _content_length(head):
            self._buffer = b""
            self._answer(head, rest, _arrival(stamps))

    def _answer(self, head: bytes, body: bytes, received: float) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "POST" and path.endswith("/chat/completions"):
            if json.loads(body).get("stream"):
                self._engine.play(self, received)
            else:
                self._page(200, _plain_answer())
        elif (method, path) == ("POST", "/script"):
            self._engine.begin(Script(**json.loads(body)))
            self._page(200, {})
        elif path == "/truth":
            self._page(200, [asdict(played) for played in self._engine.played])
        elif path.endswith("/models"):
            self._page(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self._page(200 if path.endswith("/health") else 404, {})

    def _page(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
        self.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def fail(self) -> None:
        """Answer HTTP 500."""
        self._page(500, {"error": {"message": "scripted failure", "code": 500}})
        self.finish()


class Engine:
    """The loop: sockets that are ready, then events that are due."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.script = Script()
        self.played: list[Played] = []

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, events in self._selector.select(wait):
                key.data(events)
            for _ in range(MAX_EVENTS_AT_ONCE):
                if not self._due or self._due[0][0] > time.monotonic():
                    break
                heapq.heappop(self._due)[2]()

    def begin(self, script: Script) -> None:
        """Begin a run: forget the last one."""
        self.script, self.played = script, []

    def play(self, connection: Connection, received: float) -> None:
        """Play the script to a request, numbered in the order of arrival."""
        script, number = self.script, len(self.played)
        played = Played(received, script.end(number), script.thoughts)
        self.played.append(played)
        if played.end is End.HTTP_500:
            connection.fail()
            return
        connection.begin(played)
        connection.send(STREAM_HEAD)
        Stream(
            self, connection, played, zip(script.gaps(number), script.pieces(number), strict=False)
        ).wait()

    def watch(self, connection: Connection, events: int) -> None:
        """Wait for what a connection needs now."""
        self._selector.modify(connection.sock, events, connection.ready)

    def forget(self, connection: Connection) -> None:
        """Stop waiting for a connection."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)

    def _accept(self, _: int) -> None:
        sock, _address = self._listener.accept()
        connection = Connection(self, sock)
        self._selector.register(sock, selectors.EVENT_READ, connection.ready)

    def at(self, due: float, step: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._due, (due, next(self._order), step))


class Stream:
    """One request's events, each sent when it is due, or when the client takes it."""

    def __init__(
        self,
        engine: Engine,
        connection: Connection,
        played: Played,
        events: Iterator[tuple[float, bytes]],
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._played = played
        self._events = events
        self._due = played.received
        self._piece = b""

    def wait(self) -> None:
        """Wait for the next event's time; after the last one, end as the script says."""
        event = next(self._events, None)
        if event is not None:
            self._due += event[0]
            self._piece = event[1]
            self._engine.at(self._due, self._send)
            return
        self._connection.finish()
        if self._played.end is End.CUT:
            self._connection.close()

    def _send(self) -> None:
        if self._connection.closed:
            return
        if self._connection.unsent:
            self._connection.resume = self._send
            return
        self._played.sent.append(time.monotonic())
        self._connection.send(self._piece)
        self.wait()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _arrival(stamps: list[tuple[int, int, bytes]]) -> float:
    """Return when the kernel received what was read, on the monotonic clock."""
    now, wall = time.monotonic(), time.time_ns()
    for level, kind, data in stamps:
        if (level, kind) == (socket.SOL_SOCKET, STAMPS) and len(data) >= 16:
            seconds = int.from_bytes(data[:8], sys.byteorder)
            nanoseconds = int.from_bytes(data[8:16], sys.byteorder)
            return now - max(0, wall - seconds * 10**9 - nanoseconds) / 1e9
    return now


def _plain_answer() -> dict[str, Any]:
    """Return the answer to a request that does not stream: some clients begin with one."""
    message = {"role": "assistant", "content": "ok"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def main() -> None:
    """Listen on a free port of the loopback, print it, serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        Engine(listener).run()


if __name__ == "__main__":
    main()
