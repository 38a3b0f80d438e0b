"""How many clients a process holds, and what it does when open files run out."""

import contextlib
import json
import resource
import socket
import subprocess
import sys

import pytest

from serving.gateway.descriptors import FOR_ITSELF, PER_CLIENT, clients_within
from serving.ports import free_ports
from tests.fake_engine import UNARY, WAIT_SECONDS, whole

OPEN_FILES = 160
MOST = clients_within(OPEN_FILES, 8192)
PROGRAM = """
import json, resource, sys
from serving import logs
from serving.catalogue import entry_for
from serving.gateway import connection, server
from serving.options import Settings
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
logs.configure("info", json=False)
if sys.argv[3] == "unbounded":
    server.bearable_connections = lambda wished: wished
sys.exit(server.run(Settings.model_validate(json.loads(sys.argv[1])), entry_for("tiny")))
"""


@pytest.mark.parametrize(
    ("open_files", "clients"),
    [
        (resource.RLIM_INFINITY, 100),
        (FOR_ITSELF + PER_CLIENT * 100, 100),
        (FOR_ITSELF + PER_CLIENT * 100 - 1, 99),
        (FOR_ITSELF, 1),
        (20, 1),
    ],
)
def test_open_files_bound_the_clients(open_files, clients):
    """Each client needs two, and the process some of its own."""
    assert clients_within(open_files, 100) == clients


class Narrow:
    """A gateway in a process of its own with few open files."""

    def __init__(self, engine, bound: str) -> None:
        self.port, self.admin_port = free_ports(2)
        gateway = {"port": self.port, "admin_port": self.admin_port}
        settings = {"engine": {"listen": str(engine.socket_path)}, "gateway": gateway}
        arguments = [json.dumps(settings), str(OPEN_FILES), bound]
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])

    def status(self, port: int, request: bytes) -> int:
        """Send a request; return the answer's status, 0 without one."""
        with contextlib.suppress(OSError), self.dial(port) as connection:
            connection.sendall(request)
            return int((connection.recv(65536).split() or [0, 0])[1])
        return 0

    def dial(self, port: int) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)

    def is_ready(self) -> bool:
        """Ask the admin port."""
        return self.status(self.admin_port, b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n") == 200

    def answers(self) -> bool:
        """Ask the API a question that needs the engine."""
        body = b'{"messages": [{"role": "user", "content": "hi"}]}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        return self.status(self.port, head % len(body) + body) == 200


@pytest.fixture
def start_narrow(engine, wait_for):
    """Start such gateways; they end with the test."""
    started = []

    def start(bound: str) -> Narrow:
        started.append(Narrow(engine, bound))
        wait_for(started[-1].is_ready)
        return started[-1]

    yield start
    for gateway in started:
        gateway.process.kill()
        gateway.process.wait()


def test_idle_connections_leave_room_for_probes_and_the_engine(engine, start_narrow, wait_for):
    """Beyond the bound clients are refused; within it, and on the admin port, all goes on."""
    engine.default = whole(UNARY)
    gateway = start_narrow("bounded")
    with contextlib.ExitStack() as crowd:
        idle = [crowd.enter_context(gateway.dial(gateway.port)) for _ in range(OPEN_FILES + 40)]
        wait_for(lambda: gateway.status(gateway.port, b"") == 503)
        assert gateway.is_ready()
        for connection in idle[:MOST]:
            connection.close()
        wait_for(gateway.answers)
        assert gateway.is_ready()
    wait_for(gateway.answers)


def test_a_process_without_open_files_recovers(engine, start_narrow, wait_for):
    """Where the kernel refuses, and no bound of ours, the listeners survive it."""
    engine.default = whole(UNARY)
    gateway = start_narrow("unbounded")
    with contextlib.ExitStack() as crowd:
        for _ in range(OPEN_FILES + 40):
            crowd.enter_context(gateway.dial(gateway.port))
        wait_for(lambda: not gateway.answers())
    wait_for(lambda: gateway.answers() and gateway.is_ready())
    assert gateway.process.poll() is None
