"""The scripted engine itself: what it claims to have sent, and whether it notices a hang-up."""

import http.client
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_engine import DONE, WAIT_SECONDS, FakeEngine, delta_event, stall, stream


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """Run a fake engine on a short path."""
    with tempfile.TemporaryDirectory(prefix="fe-") as folder:
        fake = FakeEngine(Path(folder) / "engine.sock")
        fake.start()
        yield fake
        fake.stop()


def asked(engine: FakeEngine) -> socket.socket:
    """Send a request and return its connection."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WAIT_SECONDS)
    connection.connect(str(engine.socket_path))
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
    return connection


def test_what_was_sent_is_what_arrived(engine):
    """The records hold the very bytes, in order, with times that a reader can compare with."""
    before = time.perf_counter()
    engine.play(stream([delta_event(content="a"), DONE], pause_seconds=0.05))
    with asked(engine) as connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
        response.close()
    times, pieces = zip(*engine.last().sent, strict=True)
    assert body == delta_event(content="a") + DONE
    assert b"".join(pieces).count(b"data: ") == 2
    assert before < times[0] <= times[1] <= times[2] - 0.04
    assert not engine.last().hung_up.is_set()


def test_a_client_that_leaves_is_noticed(engine):
    """Hanging up is recorded."""
    engine.play(stall([delta_event(content="a")]))
    with asked(engine) as connection:
        connection.recv(100)
    assert engine.last().hung_up.wait(WAIT_SECONDS)
