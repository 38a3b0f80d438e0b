"""Bodies: how large, how slow, and what happens to those who stop half-way."""

import gzip
import socket
import time

import pytest

from tests.fake_engine import UNARY, WAIT_SECONDS, whole

HI = b'{"messages": [{"role": "user", "content": "hi"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


def dialled(gateway) -> socket.socket:
    """Open a connection by hand."""
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


@pytest.mark.parametrize("size", [1001, 1900, 2100, 500_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_413(engine, start_gateway, size, chunked):
    """A sender gets to read the refusal, however the size is told."""
    gateway = start_gateway(max_body_bytes=1000)
    with dialled(gateway) as connection:
        if chunked:
            framing = b"transfer-encoding: chunked\r\n\r\n%x\r\n" % size
        else:
            framing = b"content-length: %d\r\n\r\n" % size
        connection.sendall(HEAD + framing + b" " * min(size, 3000))
        if chunked and size <= 3000:
            connection.sendall(b"\r\n0\r\n\r\n")
        answer = b""
        while b"the limit of 1000 bytes" not in answer and (piece := connection.recv(65536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the limit of 1000 bytes" in answer
    assert not engine.requests


def test_a_body_at_the_limit_is_served(engine, start_gateway):
    """The limit itself is allowed."""
    gateway = start_gateway(max_body_bytes=1000)
    engine.play(whole(UNARY))
    body = HI.ljust(1000)
    assert gateway.request("POST", "/v1/chat/completions", body).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "Zstd"])
def test_a_compressed_body_is_told_to_come_plain(engine, gateway, encoding):
    """What unpacks to more than it weighs is not read, and "not JSON" would help nobody."""
    body = gzip.compress(HI)
    answer = gateway.request("POST", "/v1/chat/completions", body, {"content-encoding": encoding})
    assert (answer.status, "Content-Encoding" in answer.error["message"]) == (400, True)
    assert not engine.requests
    engine.play(whole(UNARY))
    plain = gateway.request("POST", "/v1/chat/completions", HI, {"content-encoding": "identity"})
    assert plain.status == 200


def test_a_body_that_trickles_is_408(start_gateway):
    """A sender below the lowest rate is given up after the grace for its headers."""
    gateway = start_gateway(header_timeout_seconds=0.5, min_body_bytes_per_second=1000)
    started = time.monotonic()
    with dialled(gateway) as connection:
        connection.sendall(HEAD + b"content-length: 900\r\n\r\n" + b" " * 500)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started > 0.9, "0.5 s, and what 500 bytes have earned"


def test_a_body_that_keeps_the_rate_may_take_longer_than_the_grace(engine, start_gateway):
    """Bytes that arrive earn time."""
    gateway = start_gateway(header_timeout_seconds=0.3, min_body_bytes_per_second=100)
    engine.play(whole(UNARY))
    body = HI.ljust(6000)
    with dialled(gateway) as connection:
        connection.sendall(HEAD + b"content-length: 6000\r\n\r\n" + body[:3000])
        time.sleep(0.7)
        connection.sendall(body[3000:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_leaving_within_the_body_is_noted(engine, start_gateway, wait_for):
    """No engine request, no error in the log, one outcome."""
    gateway = start_gateway()
    with dialled(gateway) as connection:
        connection.sendall(HEAD + b"content-length: 900\r\n\r\n" + b" " * 5)
    outcome = 'gateway_requests_total{outcome="client_gone",route="chat_completions"}'
    wait_for(lambda: gateway.metric(outcome) == 1)
    assert not engine.requests


def test_a_connection_serves_several_requests(engine, gateway):
    """Keep-alive works for refusals and answers alike."""
    engine.play(whole(UNARY))
    connection = gateway.connect()
    try:
        for body, status in ((b"{}", 400), (HI, 200), (b"[]", 400)):
            connection.request("POST", "/v1/chat/completions", body)
            response = connection.getresponse()
            response.read()
            assert response.status == status
    finally:
        connection.close()
