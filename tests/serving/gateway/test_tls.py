"""TLS of the API port: what starts, what is read again, and limits that hold under it."""

import asyncio
import contextlib
import http.client
import json
import math
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from serving.failure import StartError
from serving.gateway import tls
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.tls import Certificate, Pair, is_exposed
from serving.options import GatewaySettings
from tests.certificates import Authority
from tests.fake_engine import DONE, UNARY, WAIT_SECONDS, answer_events, held, whole
from tests.serving.gateway.conftest import CHAT, is_held

EXPIRY = "gateway_tls_certificate_expiry_timestamp_seconds"
STALE = "gateway_tls_certificate_stale"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return a CA of the test's own."""
    return Authority(tmp_path)


def settings_of(pair: tuple[Path, Path]) -> GatewaySettings:
    """Return settings that name a pair."""
    return GatewaySettings(tls_cert_file=pair[0], tls_key_file=pair[1])


def options_of(pair: tuple[Path, Path]) -> dict[str, Path]:
    """Return a pair as options of the gateway."""
    return {"tls_cert_file": pair[0], "tls_key_file": pair[1]}


def put(source: tuple[Path, Path], target: tuple[Path, Path]) -> None:
    """Replace a pair's files, each in one step, the certificate first."""
    for old, new in zip(source, target, strict=True):
        fresh = new.with_suffix(".fresh")
        shutil.copy(old, fresh)
        fresh.rename(new)


def secured(gateway, authority: Authority) -> ssl.SSLSocket:
    """Open a TLS connection that trusts the test's CA and checks the name."""
    context = ssl.create_default_context(cafile=authority.file)
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_SECONDS)
    return context.wrap_socket(plain, server_hostname="gateway.test")


def shown(gateway, authority: Authority) -> str:
    """Return the common name of the certificate that a new connection is shown."""
    with secured(gateway, authority) as connection:
        ((_, name),) = connection.getpeercert()["subject"][0]
    return name


@contextmanager
def asked(gateway, authority: Authority, **fields: object) -> Iterator[http.client.HTTPResponse]:
    """Send a chat request over TLS and hold the answer open."""
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port)
    connection.sock = secured(gateway, authority)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT | fields))
        with connection.getresponse() as response:
            yield response


def test_a_pair_tells_its_end_and_names(authority):
    """Expiry is what a client sees, to the second; an expired pair tells it too."""
    for stem, days in (("good", 5), ("old", -2)):
        pair = Pair.read(settings_of(authority.issue(stem, days=days)))
        assert pair is not None
        assert abs(pair.expires_at - (time.time() + days * 86_400)) < WAIT_SECONDS
        assert pair.names == ("gateway.test", "*.wild.test", "127.0.0.1")


def test_no_files_are_no_tls():
    """Nothing is read where nothing is set."""
    assert Pair.read(GatewaySettings()) is None


def test_pairs_that_cannot_serve_do_not_start(authority, tmp_path):
    """A missing, foreign, broken or locked file is refused in a sentence, without a prompt."""
    cert_file, key_file = authority.issue()
    _, other_key = authority.issue("other")
    locked = authority.issue("locked", password=b"secret")
    broken = tmp_path / "broken.pem"
    broken.write_bytes(cert_file.read_bytes()[:200])
    broken.chmod(0o600)
    for pair in (
        (tmp_path / "none.pem", key_file),
        (cert_file, tmp_path / "none.key"),
        (cert_file, tmp_path),
        (cert_file, other_key),
        (broken, key_file),
        (cert_file, broken),
        (key_file, key_file),
        locked,
    ):
        with pytest.raises(StartError, match=r"tls_cert_file and gateway\.tls_key_file"):
            Pair.read(settings_of(pair))


def test_a_key_that_everybody_can_read_does_not_start(authority):
    """Others make the difference; a group, as Kubernetes mounts secrets with fsGroup, does not."""
    pair = authority.issue()
    for mode in (0o600, 0o440, 0o640):
        pair[1].chmod(mode)
        assert Pair.read(settings_of(pair)) is not None
    pair[1].chmod(0o644)
    with pytest.raises(StartError, match="every user of this machine") as caught:
        Pair.read(settings_of(pair))
    assert str(pair[1]) in caught.value.next_step


@pytest.mark.parametrize(
    ("mode", "read_only_mount", "exposed"),
    [(0o644, False, True), (0o444, True, False), (0o640, False, False), (0o440, True, False)],
)
def test_a_mount_of_its_own_has_no_others(mode, read_only_mount, exposed):
    """A secret's volume is read-only and, by default, readable for every user in a container."""
    assert is_exposed(stat.S_IFREG | mode, read_only_mount=read_only_mount) is exposed


def test_only_the_api_port_speaks_tls(authority, engine, start_gateway):
    """From TLS 1.2 on; the admin port stays plain; answers tell browsers to come back by TLS."""
    gateway = start_gateway(**options_of(authority.issue()))
    gateway.wait_ready()
    engine.play(whole(UNARY))
    with asked(gateway, authority) as response:
        assert response.status == 200
        assert response.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in gateway.admin("/readyz").headers
    with secured(gateway, authority) as connection:
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}
        assert connection.selected_alpn_protocol() in {None, "http/1.1"}
    old = ssl.create_default_context(cafile=authority.file)
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_SECONDS)
    with plain, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(plain, server_hostname="gateway.test")


def test_without_tls_the_gauges_raise_no_alarm(gateway):
    """There is no certificate that could end or be stale."""
    assert gateway.metric(EXPIRY) == math.inf
    assert gateway.metric(STALE) == 0


def test_a_new_pair_is_shown_while_streams_go_on(
    authority, engine, start_gateway, wait_for, monkeypatch
):
    """New connections get the new certificate; a stream that runs ends whole."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.05)
    pair, new = authority.issue("first"), authority.issue("second", days=9)
    gateway = start_gateway(**options_of(pair))
    gateway.wait_ready()
    events, go = answer_events(thought="so"), threading.Event()
    engine.play(held(events[:2], go, events[2:]))
    with asked(gateway, authority, stream=True) as running:
        assert shown(gateway, authority) == "first"
        before = gateway.metric(EXPIRY)
        put(new, pair)
        wait_for(lambda: shown(gateway, authority) == "second")
        wait_for(lambda: gateway.metric(EXPIRY) - before > 3 * 86_400)
        go.set()
        assert DONE in running.read()


def test_the_files_are_looked_at_often_enough():
    """A change is seen within ten seconds."""
    assert tls.LOOK_SECONDS <= 5


def test_a_broken_pair_keeps_the_last_good_one(authority, caplog):
    """It is logged once and raises the gauge, and a good pair takes both back."""
    pair, other = authority.issue("first"), authority.issue("second")
    metrics = GatewayMetrics()
    certificate = Certificate.load(settings_of(pair), metrics.state)

    def look() -> tuple[float, float]:
        asyncio.run(certificate.look())
        value = metrics.registry.get_sample_value
        return value(STALE), value(EXPIRY)

    _, expiry = look()
    put((other[0], pair[1]), pair)
    assert look() == look() == (1, expiry)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    put(other, pair)
    assert look()[0] == 0
    pair[0].unlink()
    assert look()[0] == 1
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2


@pytest.mark.parametrize("gone", [0, 1])
def test_a_file_that_goes_while_it_is_looked_at_keeps_the_last_good_pair(
    authority, monkeypatch, gone
):
    """Who renews by removing and writing must not end the gateway's background work."""
    pair = authority.issue("first")
    metrics = GatewayMetrics()
    certificate = Certificate.load(settings_of(pair), metrics.state)
    read = tls._content

    def read_and_lose(*files: Path) -> tuple[bytes, bytes]:
        content = read(*files)
        files[gone].unlink()
        return content

    monkeypatch.setattr(tls, "_content", read_and_lose)
    asyncio.run(certificate.look())
    assert metrics.registry.get_sample_value(STALE) == 1


def test_a_handshake_that_stalls_is_dropped(authority, engine, start_gateway, wait_for):
    """Neither silence, nor half a handshake, nor plain HTTP holds a connection."""
    gateway = start_gateway(header_timeout_seconds=0.5, **options_of(authority.issue()))
    address = ("127.0.0.1", gateway.port)
    for sent in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(address, timeout=WAIT_SECONDS) as connection:
            connection.sendall(sent)
            wait_for(lambda held=connection: not is_held(held))
    with secured(gateway, authority) as idle, contextlib.suppress(ConnectionResetError):
        assert idle.recv(1) == b""


def test_a_reader_that_stalls_under_tls_is_dropped(authority, engine, start_gateway, wait_for):
    """What it leaves unread is bounded, and its connection is cut off in time."""
    gateway = start_gateway(stalled_reader_seconds=1, **options_of(authority.issue()))
    gateway.wait_ready()
    engine.play(whole(b'{"x":"' + b"y" * 8_000_000 + b'"}'))
    body = b'{"prompt":""}'
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    with secured(gateway, authority) as connection:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        wait_for(lambda: gateway.metric("gateway_requests_total") == 1)
        wait_for(lambda: not is_held(connection))
        received = 0
        with contextlib.suppress(OSError):
            while piece := connection.recv(2**20):
                received += len(piece)
    assert received < 8_000_000


def test_a_stream_that_nobody_reads_is_cut_off_under_tls(
    authority, engine, start_gateway, wait_for
):
    """The engine is told to stop, the outcome says why, and memory stays bounded."""
    gateway = start_gateway(stalled_reader_seconds=1, **options_of(authority.issue()))
    gateway.wait_ready()
    event = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"y" * 60_000 + b'"}}]}\n\n'
    engine.play(held([event] * 400, threading.Event(), []))
    before = psutil.Process().memory_info().rss
    with asked(gateway, authority, stream=True) as response:
        assert response.status == 200
        wait_for(lambda: gateway.metric('gateway_requests_total{outcome="reader_stalled"') == 1)
    assert engine.last().hung_up.wait(WAIT_SECONDS)
    assert psutil.Process().memory_info().rss - before < 20 * 2**20


def test_the_test_keys_are_private(authority):
    """The tests above prove nothing with a key that would be refused anyway."""
    assert stat.S_IMODE(authority.issue()[1].stat().st_mode) == 0o600


MEET = """
import asyncio, sys
from serving.verify.client import Endpoint
from serving.verify.contact import Unusable, meet
from serving.verify.run import open_session

async def visit():
    async with open_session() as session:
        return (await meet(Endpoint(session, sys.argv[1]), None)).served

try:
    print(asyncio.run(visit()))
except Unusable as unusable:
    print(unusable)
"""


@pytest.mark.parametrize(("trusted", "said"), [(True, "tiny-qwen3-vl"), (False, "SSL_CERT_FILE")])
def test_verify_trusts_the_ca_it_is_told_of(authority, engine, start_gateway, trusted, said):
    """It meets the endpoint over https; one that it cannot trust it refuses with the way to."""
    gateway = start_gateway(**options_of(authority.issue()))
    gateway.wait_ready()
    trust = {"SSL_CERT_FILE": str(authority.file)} if trusted else {}
    printed = subprocess.run(
        [sys.executable, "-c", MEET, f"https://127.0.0.1:{gateway.port}"],
        env=os.environ | trust,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    ).stdout
    assert said in printed
    assert ("not trusted" in printed) is not trusted
