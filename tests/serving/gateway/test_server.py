"""Both ports, the start that fails, and the way out by signals."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from serving.catalogue import entry_for
from serving.failure import StartError
from serving.gateway.server import run
from serving.options import EngineSettings, Settings
from serving.ports import free_ports
from tests.fake_engine import (
    DONE,
    WAIT_SECONDS,
    answer_events,
    delta_event,
    held,
    stall,
)

PROGRAM = """
import json, sys
from serving.catalogue import entry_for
from serving.gateway.server import run
from serving.options import Settings
sys.exit(run(Settings.model_validate(json.loads(sys.argv[1])), entry_for("tiny")))
"""


def dial(port: int) -> socket.socket:
    """Open a connection whose reads wait long."""
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)


class Process:
    """The gateway as a process of its own, as users run it."""

    def __init__(self, engine, **options: object) -> None:
        self.port, self.admin_port = free_ports(2)
        ports = {"port": self.port, "admin_port": self.admin_port}
        settings = {"engine": {"listen": str(engine.socket_path)}, "gateway": {**ports, **options}}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(settings)], stderr=subprocess.PIPE
        )

    def admin(self, path: str) -> int:
        """Return the status of an admin page, 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=WAIT_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def chat(self) -> socket.socket:
        """Send a streamed chat request."""
        body = b'{"messages": [{"role": "user", "content": "hi"}], "stream": true}'
        connection = dial(self.port)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        return connection


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Keep processes to be ended with the test."""
    kept: list[Process] = []
    yield kept
    for process in kept:
        process.process.kill()
        process.process.communicate()


@pytest.fixture
def start_process(engine, processes, wait_for):
    """Start a process and wait until it is ready."""

    def start(**options: object) -> Process:
        processes.append(Process(engine, **options))
        wait_for(lambda: processes[-1].admin("/readyz") == 200)
        return processes[-1]

    return start


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_streams_finish_and_ends_with_0(engine, start_process, wait_for, number):
    """New requests get 503, /readyz fails, the running stream is whole, nothing is logged wrong."""
    events, go = answer_events(thought="so"), threading.Event()
    engine.play(held(events[:2], go, events[2:]))
    process = start_process()
    with process.chat() as running:
        first = running.recv(65536)
        process.process.send_signal(number)
        wait_for(lambda: process.admin("/readyz") == 503)
        assert process.admin("/healthz") == 200
        with process.chat() as refused:
            answer = read_all(refused)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        assert b'"shutting_down"' in answer
        go.set()
        rest = first + read_all(running)
    assert DONE in rest
    assert b'"reasoning":"o"' in rest
    assert process.process.wait(WAIT_SECONDS) == 0
    assert b"Traceback" not in process.process.stderr.read()


def test_a_stream_over_the_drain_limit_gets_a_typed_error(engine, start_process):
    """The last event says why, there is no [DONE], and the exit is clean."""
    engine.play(stall([delta_event(content="a")]))
    process = start_process(drain_seconds=0.5)
    with process.chat() as running:
        first = running.recv(65536)
        process.process.send_signal(signal.SIGTERM)
        rest = first + read_all(running)
    assert b'"code":"shutting_down"' in rest
    assert DONE not in rest
    assert engine.last().hung_up.wait(WAIT_SECONDS)
    assert process.process.wait(WAIT_SECONDS) == 0


def test_a_second_signal_ends_at_once(engine, start_process, wait_for):
    """No drain is waited for, the client is told, and the code is the signal's."""
    engine.play(stall([delta_event(content="a")]))
    process = start_process(drain_seconds=600)
    with process.chat() as running:
        first = running.recv(65536)
        process.process.send_signal(signal.SIGTERM)
        wait_for(lambda: process.admin("/readyz") == 503)
        process.process.send_signal(signal.SIGINT)
        rest = first + read_all(running)
    assert b'"code":"shutting_down"' in rest
    assert process.process.wait(WAIT_SECONDS) == 128 + signal.SIGINT


def test_idle_connections_do_not_hold_up_the_end(engine, start_process):
    """Kept connections without a request are closed."""
    process = start_process()
    with dial(process.port) as idle:
        idle.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        idle.recv(65536)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(WAIT_SECONDS) == 0


def test_an_engine_on_another_machine_does_not_start():
    """Only loopback is a debugging address."""
    settings = Settings(engine=EngineSettings(listen="tcp://10.0.0.1:80"))
    with pytest.raises(StartError, match="leaves this machine"):
        run(settings, entry_for("tiny"))
