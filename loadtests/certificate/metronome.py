"""A chat endpoint that says when it sent what: a small program, one child of a load process.

Each event's text is the moment before it was sent and that after the event before it was sent,
"BEFORE:AFTER ", in nanoseconds of the machine's monotonic clock, which all processes share; the
first has 0 for the second. So of every event but the last both ends of its sending are known.

It needs nothing but the standard library, prints its port, and ends with its standard input.
"""

import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)
# As long, and in the same frame, as the gateway's events.
EVENT = (
    b'data: {"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk",'
    b'"created":1700000000,"model":"metronome","choices":[{"index":0,"delta":{"content":"%d:%d "},'
    b'"logprobs":null,"finish_reason":null}],"padding":"................"}\n\n'
)
DONE = b"data: [DONE]\n\n"
MAX_BODY_BYTES = 4096
LIMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Score:
    """What a client asks the metronome for: so many events, and the mean pause between them."""

    events: int
    pause_seconds: float
    stream: bool = True

    @property
    def body(self) -> bytes:
        """Return it as the body of a request."""
        return json.dumps(asdict(self)).encode()


@contextmanager
def metronome() -> Iterator[int]:
    """Run one as a child process; gives its port. Raises OSError where it cannot start."""
    child = subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, "-S", "-E", str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        line = child.stdout.readline() if child.stdout else b""
        if not line:
            raise OSError("the metronome did not start")
        yield int(line)
    finally:
        try:
            child.communicate(timeout=LIMIT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            child.kill()
            child.wait()


class _Player(socketserver.StreamRequestHandler):
    """Plays the score that one request asks for."""

    disable_nagle_algorithm = True
    timeout = LIMIT_SECONDS

    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline(MAX_BODY_BYTES).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = min(int(value), MAX_BODY_BYTES)
        if length:
            with suppress(OSError):
                self._play(Score(**json.loads(self.rfile.read(length))))

    def _play(self, score: Score) -> None:
        self.connection.sendall(HEAD)
        # Not at equal distances, so that nothing with a beat of its own is met always or never;
        # what was missed is not made up for: an engine does not either.
        jitter = random.Random()  # noqa: S311 - a pause, not a secret
        after = 0
        for _ in range(score.events):
            time.sleep(score.pause_seconds * jitter.uniform(0.5, 1.5))
            event = EVENT % (time.perf_counter_ns(), after)
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(event), event))
            after = time.perf_counter_ns()
        self.connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Serve on a free port of this machine until standard input ends, and only then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What it notes is when it sends; behind a busy engine it would note when it gets its turn.
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with _Server(("127.0.0.1", 0), _Player) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()
        server.shutdown()


if __name__ == "__main__":
    main()
