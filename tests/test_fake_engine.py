"""The scripted engine itself: what it claims to have sent, and whether it notices a hang-up."""

import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_engine import (
    DONE,
    UNARY,
    WAIT_SECONDS,
    FakeEngine,
    counted,
    delta_event,
    held,
    stall,
    stream,
    whole,
)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """Run a fake engine on a short path."""
    with tempfile.TemporaryDirectory(prefix="fe-") as folder:
        fake = FakeEngine(Path(folder) / "engine.sock")
        fake.start()
        yield fake
        fake.stop()


def asked(
    engine: FakeEngine, path: str = "/v1/chat/completions", request_id: str = "1"
) -> socket.socket:
    """Send a request and return its connection."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WAIT_SECONDS)
    connection.connect(str(engine.socket_path))
    head = f"POST {path} HTTP/1.1\r\nx-request-id: {request_id}\r\ncontent-length: 2\r\n\r\n"
    connection.sendall(head.encode() + b"{}")
    return connection


def answer(connection: socket.socket) -> bytes:
    """Read an answer's body and close."""
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
        response.close()
    return body


def test_what_was_sent_is_what_arrived(engine):
    """The records hold the very bytes, in order, with times that a reader can compare with."""
    before = time.perf_counter()
    engine.play(stream([delta_event(content="a"), DONE], pause_seconds=0.05))
    body = answer(asked(engine))
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


def test_a_number_is_a_pause(engine):
    """Between any two events."""
    engine.play(stream([delta_event(content="a"), 0.1, DONE]))
    assert answer(asked(engine)) == delta_event(content="a") + DONE
    times = [at for at, data in engine.last().sent if b"data: " in data]
    assert times[1] - times[0] >= 0.1


@pytest.mark.parametrize(
    ("path", "own"), [("/v1/chat/completions", "chatcmpl-r9"), ("/v1/completions", "cmpl-r9")]
)
@pytest.mark.parametrize("script", [stream([delta_event(content="a")]), whole(UNARY)])
def test_an_answers_id_is_made_of_the_requests_as_vllm_does(engine, path, own, script):
    """Whoever looks for the engine's id finds it."""
    engine.play(script)
    assert f'"id":"{own}"'.encode() in answer(asked(engine, path, "r9"))


def test_a_prompts_length_is_asked_for_apart(engine):
    """Such questions use up no script and are no requests for an answer."""
    engine.tokenize = counted(77)
    assert json.loads(answer(asked(engine, "/tokenize")))["count"] == 77
    assert (len(engine.counts), engine.requests) == (1, [])


def test_what_is_held_goes_on_when_the_test_says_so(engine):
    """Not before, however long it takes."""
    go = threading.Event()
    engine.play(held([delta_event(content="a")], go, [DONE]))
    received = b""
    with asked(engine) as connection:
        for awaited in (delta_event(content="a"), DONE):
            assert DONE not in received
            while awaited not in received:
                received += connection.recv(4096) or pytest.fail("it ended before its end")
            go.set()
