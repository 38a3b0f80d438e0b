"""When bytes arrived, against a peer that knows when it sent them."""

import socket
import ssl
import sys
import threading
import time

import pytest

from loadtests.client import arrivals
from loadtests.client.arrivals import SO_TIMESTAMPNS, Connection, connect
from loadtests.endpoint import parse_url
from tests.certificates import Authority
from tests.loadtests.conftest import WAIT_SECONDS

LATE_SECONDS = 0.05
# A stamp is of the wall clock, which the machine may be setting right at that moment.
CLOCKS_SECONDS = 0.001
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")


@pytest.fixture
def pair():
    """A connection and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(*listener.getsockname(), WAIT_SECONDS)
        peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.settimeout(WAIT_SECONDS)
    with peer:
        yield connection, peer
    connection.close()


@on_linux
def test_a_late_reader_knows_when_bytes_came(pair):
    """The kernel's stamp lies within the sending, however much later the bytes are read."""
    connection, peer = pair
    for _ in range(5):
        before = time.perf_counter()
        peer.sendall(b"token")
        after = time.perf_counter()
        time.sleep(LATE_SECONDS)
        data, arrival = connection.receive()
        assert data == b"token"
        assert connection.by_kernel
        assert before - CLOCKS_SECONDS <= arrival <= after + CLOCKS_SECONDS
        assert time.perf_counter() - arrival >= LATE_SECONDS


@on_linux
def test_without_stamps_the_time_is_that_of_the_reading(pair):
    """Where the kernel gives no stamp, a late reader dates late, and says so."""
    connection, peer = pair
    connection._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 0)
    peer.sendall(b"token")
    after = time.perf_counter()
    time.sleep(LATE_SECONDS)
    _, arrival = connection.receive()
    assert not connection.by_kernel
    assert arrival - after >= LATE_SECONDS


@on_linux
def test_a_wall_clock_that_was_set_dates_nothing(pair, monkeypatch):
    """A stamp from before the request, or from the future, is not believed."""
    connection, peer = pair
    real = time.time_ns
    for shift_seconds in (3600, -3600):
        connection.started = time.perf_counter()
        with monkeypatch.context() as patch:
            patch.setattr(time, "time_ns", lambda shift=shift_seconds: real() + shift * 10**9)
            peer.sendall(b"token")
            before = time.perf_counter()
            _, arrival = connection.receive()
        assert not connection.by_kernel
        assert before - CLOCKS_SECONDS <= arrival <= time.perf_counter() + CLOCKS_SECONDS


def test_bytes_read_together_have_the_time_of_the_last(pair):
    """An event is dated late at most by the events behind it."""
    connection, peer = pair
    peer.sendall(b"one")
    time.sleep(LATE_SECONDS)
    between = time.perf_counter()
    peer.sendall(b"two")
    time.sleep(LATE_SECONDS)
    data, arrival = connection.receive()
    assert data == b"onetwo"
    assert arrival >= between


@on_linux
def test_an_arrival_is_never_before_the_one_before_it(pair):
    """Readings of one packet err by a little, and times still go forward."""
    connection, peer = pair
    peer.sendall(b"a")
    time.sleep(LATE_SECONDS)  # the stamp is made when it arrives, which may be after it was sent
    latest = connection._latest = time.perf_counter()
    _, arrival = connection.receive()
    assert connection.by_kernel
    assert arrival == latest
    peer.sendall(b"b")
    assert connection.receive()[1] > latest


def test_a_large_request_passes_a_slow_reader(pair):
    """The timeout bounds silence, not the whole sending."""
    connection, peer = pair
    connection.wait_at_most(WAIT_SECONDS)
    body, got = bytes(range(256)) * 40_000, bytearray()

    def read_slowly():
        while len(got) < len(body):
            got.extend(peer.recv(1 << 20))
            time.sleep(0.002)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    connection.send(body)
    reader.join(WAIT_SECONDS)
    assert bytes(got) == body


def test_a_quiet_connection_is_told_from_a_closed_one(pair):
    """One that the server closed, or wrote to without being asked, serves no other request."""
    connection, peer = pair
    assert connection.is_quiet()
    peer.sendall(b"x")
    time.sleep(LATE_SECONDS)
    assert not connection.is_quiet()
    connection.wait_at_most(WAIT_SECONDS)
    assert connection.receive()[0] == b"x"
    peer.close()
    time.sleep(LATE_SECONDS)
    assert not connection.is_quiet()


@pytest.fixture
def secured(server, tmp_path, monkeypatch):
    """The scripted server under TLS, with a certificate that the client trusts."""
    authority = Authority(tmp_path)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(*authority.issue())
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    arrivals._context.cache_clear()
    yield server
    arrivals._context.cache_clear()


def test_tls_keeps_the_kernels_times(secured):
    """What comes encrypted is dated when it arrived, not when it is decrypted."""
    sent = []

    def script(stream):
        stream.head()
        stream.event(content="one")
        sent.append(time.perf_counter())
        time.sleep(3 * LATE_SECONDS)
        stream.finish()

    secured.script = script
    connection = connect(parse_url(secured.url), WAIT_SECONDS)
    connection.send(b"POST /v1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    while not sent:
        time.sleep(0.001)
    time.sleep(LATE_SECONDS)
    received, first = b"", []
    while not received.endswith(b"0\r\n\r\n"):
        data, arrival = connection.receive()
        received += data
        first += [arrival] if b"one" in data else []
    assert connection.by_kernel == (sys.platform == "linux")
    if connection.by_kernel:
        assert (
            secured.sent.time_of("event") - CLOCKS_SECONDS <= first[0] <= sent[0] + CLOCKS_SECONDS
        )
    connection.close()


def test_a_certificate_that_nobody_trusts_is_refused(secured, monkeypatch):
    """TLS without a known authority is no connection."""
    monkeypatch.delenv("SSL_CERT_FILE")
    arrivals._context.cache_clear()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(parse_url(secured.url), WAIT_SECONDS)


def test_a_large_body_passes_under_tls(secured):
    """Megabytes go up, piece by piece, and the answer comes back."""
    bodies = []
    secured.script = lambda stream: (bodies.append(stream.body), stream.json(200, {}))
    connection = connect(parse_url(secured.url), WAIT_SECONDS)
    body = b'{"x": "' + b"y" * 3_000_000 + b'"}'
    connection.send(b"POST /v1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert b"200" in connection.receive()[0]
    assert len(bodies[0]["x"]) == 3_000_000
    connection.close()
