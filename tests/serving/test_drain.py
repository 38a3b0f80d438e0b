"""`serving drain` and SIGTERM under streams, with the real programs before a scripted engine."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from tests.fake_engine import DONE, FakeEngine, answer_events, held
from tests.serving.conftest import WAIT_SECONDS

STREAMS = 64
QUESTION = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.2)  # each request is a line in a pipe that nobody reads


class Streams:
    """Streams that run at the same time; `bodies` holds what each client got, to its end."""

    def __init__(self, port: int, count: int = STREAMS) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self._count = count
        self._running = 0
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)
        self._thread.start()

    def wait_running(self) -> None:
        """Wait until each has got its first event."""
        wait_for(lambda: self._running == self._count)

    def end(self) -> list[bytes]:
        """Return what the clients got."""
        self._thread.join(WAIT_SECONDS)
        assert len(self.bodies) == self._count
        return self.bodies

    async def _ask(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=WAIT_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(self._stream(session) for _ in range(self._count)))

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        async with session.post(self._url, json=QUESTION) as response:
            body = await response.content.readany()
            self._running += 1
            body += await response.read()
        self.statuses.append(response.status)
        self.bodies.append(body)


def broken(bodies: list[bytes]) -> list[bytes]:
    """Return those that are not whole."""
    return [body for body in bodies if DONE not in body or b'"error"' in body]


@pytest.fixture
def engine(room) -> Iterator[FakeEngine]:
    """Run a scripted engine where the room's gateway looks for it."""
    room.run_folder.mkdir(mode=0o700)
    fake = FakeEngine(room.run_folder / "engine.sock")
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def page(room) -> Callable[..., tuple[int, str]]:
    """Return what gets a page's status and text, (0, "") while nobody listens."""

    def get(path: str, port: int = room.admin_port) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    return get


@pytest.fixture
def start(room, page):
    """Start a gateway with options and wait until it is ready."""

    def run(**options: object):
        options = {"max_running_requests": STREAMS, **options}
        names = {f"SERVING_GATEWAY__{name.upper()}": str(value) for name, value in options.items()}
        process = room.start("gateway", **names)
        wait_for(lambda: page("/readyz")[0] == 200)
        return process

    return run


@pytest.fixture
def streams(room, engine) -> tuple[Streams, threading.Event]:
    """Return what starts streams, and what lets the engine finish them."""
    events, go = answer_events(thought="so"), threading.Event()
    engine.play(*[held(events[:2], go, events[2:])] * STREAMS)
    return lambda: Streams(room.port), go


def test_a_drain_breaks_no_stream_and_ends_with_the_engines_restart(
    room, engine, page, start, streams
) -> None:
    """Phase by phase: served though not ready, refused, all streams whole, served again."""
    begin, go = streams
    gateway = start(drain_grace_seconds=2)
    running = begin()
    running.wait_running()
    command = room.start("drain")
    wait_for(lambda: page("/readyz")[0] == 503)
    assert page("/readyz") == (503, "the gateway is draining (leaving), 64 requests running\n")
    assert page("/v1/models", room.port)[0] == 200
    assert page("/livez")[0] == page("/healthz")[0] == 200
    wait_for(lambda: page("/v1/models", room.port)[0] == 503)
    assert page("/readyz") == (503, "the gateway is draining (refusing), 64 requests running\n")
    second = room.start("drain")
    assert second.stdout.readline() == "New requests are refused: 64 requests running.\n"
    assert command.poll() is None
    go.set()
    assert broken(running.end()) == []
    for asked in (command, second):
        said, complaint = asked.communicate(timeout=WAIT_SECONDS)
        assert (asked.returncode, complaint) == (0, "")
        assert "Drained: every request has come to its end." in said
        assert "Ctrl-C" in said
    assert page("/readyz")[0] == 503
    engine.stop()
    engine.start()
    wait_for(lambda: page("/readyz")[0] == 200)
    assert broken(Streams(room.port, 1).end()) == []
    gateway.terminate()
    assert room.end(gateway).code == 0


def test_sigterm_breaks_no_stream(room, engine, page, start, streams) -> None:
    """Without grace new requests are refused; the process ends with 0 when all are whole."""
    begin, go = streams
    gateway = start(drain_grace_seconds=600)
    running = begin()
    running.wait_running()
    command = room.start("drain", "--no-wait")
    said, complaint = command.communicate(timeout=WAIT_SECONDS)
    assert (command.returncode, complaint) == (0, "")
    assert said == "Not ready any more, new requests are still served: 64 requests running.\n"
    assert page("/v1/models", room.port)[0] == 200
    waiting = room.start("drain")
    assert "Not ready any more" in waiting.stdout.readline()
    gateway.send_signal(signal.SIGTERM)
    wait_for(lambda: page("/v1/models", room.port)[0] == 503)
    go.set()
    assert broken(running.end()) == []
    assert "Drained" in waiting.communicate(timeout=WAIT_SECONDS)[0]
    assert waiting.returncode == 0
    assert room.end(gateway).code == 0


def test_a_pods_end_is_clean(room, engine, start) -> None:
    """The drain returns, the engine ends, the gateway is told last: exit code 0."""
    gateway = start(drain_grace_seconds=0)
    command = room.start("drain")
    command.communicate(timeout=WAIT_SECONDS)
    assert command.returncode == 0
    engine.stop()
    gateway.terminate()
    assert room.end(gateway).code == 0


def test_a_drain_over_its_limit_says_how_many_were_cut_off(room, engine, start, streams) -> None:
    """Each client gets one typed error; the command ends with 1 and names the setting."""
    begin, _ = streams
    gateway = start(drain_grace_seconds=0, drain_seconds=2)
    running = begin()
    running.wait_running()
    command = room.start("drain", SERVING_GATEWAY__DRAIN_SECONDS="2")
    for body in running.end():
        assert body.count(b'"error"') == 1
        assert b'"code":"shutting_down"' in body
        assert DONE not in body
    _, complaint = command.communicate(timeout=WAIT_SECONDS)
    assert command.returncode == 1
    assert "64 requests were not finished after 2 s (gateway.drain_seconds)" in complaint
    gateway.terminate()
    assert room.end(gateway).code == 0


def test_an_engines_death_is_told_once_and_its_return_is_found(
    room, engine, page, start, streams
) -> None:
    """Each client gets one typed error, new requests 503; a gateway alone reconnects by itself."""
    begin, _ = streams
    gateway = start()
    running = begin()
    running.wait_running()
    engine.stop()
    for body in running.end():
        events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
        assert ["error" in event for event in events].count(True) == 1
        assert events[-1]["error"]["code"] == "engine_error"
        assert DONE not in body
    refused = Streams(room.port, 1)
    assert b'"engine_unavailable"' in refused.end()[0]
    assert refused.statuses == [503]
    wait_for(lambda: page("/readyz") == (503, "the engine does not answer\n"))
    engine.reset()
    engine.start()
    wait_for(lambda: page("/readyz")[0] == 200)
    assert broken(Streams(room.port, 1).end()) == []
    gateway.terminate()
    assert room.end(gateway).code == 0


def test_no_gateway_to_drain_is_said(room) -> None:
    """The socket and the option are named."""
    ended = room.run("drain")
    assert ended.code == 1
    assert f"No gateway listens on {room.run_folder / 'control.sock'}" in ended.stderr
    assert "SERVING_GATEWAY__CONTROL_SOCKET" in ended.stderr


def test_a_killed_gateways_socket_is_cleared_away_and_a_living_ones_is_not(
    room, engine, start
) -> None:
    """After kill -9 another gateway starts; a third, beside it, names who is there."""
    first = start()
    first.kill()
    first.communicate()
    assert (room.run_folder / "control.sock").is_socket()
    second = start()
    port, admin_port = room.other_ports()
    third = room.start("gateway", PORT=str(port), ADMIN_PORT=str(admin_port))
    _, complaint = third.communicate(timeout=WAIT_SECONDS)
    assert third.returncode == 1
    assert f"Another gateway (process {second.pid}) listens on" in complaint
    assert "gateway.control_socket" in complaint
    second.terminate()
    assert room.end(second).code == 0
    assert not (room.run_folder / "control.sock").exists()
