"""The border of HTTP: what is no request, what reads two ways, and clients that hold on."""

import contextlib
import json
import socket
import time

import pytest

from serving.gateway import http_server
from serving.gateway.head import MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from tests.fake_engine import UNARY, WAIT_SECONDS, delta_event, slow_first_byte, stall, whole
from tests.serving.gateway.conftest import is_held

MODELS = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n"
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
CHAT_BODY = b'{"messages": [{"role": "user", "content": "hi"}]}'
LENGTH = b"content-length: %d\r\n" % len(CHAT_BODY)


def dial(port: int) -> socket.socket:
    """Open a connection whose reads wait long."""
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)


def answered(port: int, sent: bytes) -> tuple[int, dict[bytes, bytes], bytes, bool]:
    """Send bytes; return status, headers and body of the answer, and whether that was the end."""
    with dial(port) as connection:
        connection.sendall(sent)
        file = connection.makefile("rb")
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.partition(b": ")
            headers[name] = value
        body = file.read(int(headers[b"content-length"]))
        closes = headers.get(b"connection") == b"close"
        return status, headers, body, closes and file.read() == b""


NO_REQUESTS = {
    "bytes of another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"FROB /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    "a proxy's method": b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "NUL in the path": b"GET /v1/mo\0dels HTTP/1.1\r\nhost: x\r\n\r\n",
    "other than ASCII in the path": b"GET /v1/m\xc3\xb6d HTTP/1.1\r\nhost: x\r\n\r\n",
    "NUL in a header": MODELS + b"x: a\0b\r\n\r\n",
    "CR in a header": MODELS + b"x-request-id: a\rset-cookie: b\r\n\r\n",
    "LF alone": b"GET /v1/models HTTP/1.1\nhost: x\n\n",
    "a folded header": MODELS + b"x: a\r\n b\r\n\r\n",
    "a space before the colon": MODELS + b"x : a\r\n\r\n",
    "two lengths": ASK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "the same length twice": ASK + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "a length and chunks": ASK + LENGTH + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and another coding": ASK
    + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": ASK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a negative length": ASK + b"content-length: -1\r\n\r\n",
    "a signed length": ASK + b"content-length: +1\r\n\r\na",
    "a length over all bounds": ASK + b"content-length: 99999999999999999999999\r\n\r\na",
    "a chunk without a size": ASK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS.keys())
@pytest.mark.parametrize("port", ["port", "admin_port"])
def test_what_is_no_request_gets_a_typed_400_and_the_end(gateway, engine, port, sent):
    """On both ports, in OpenAI's form, and the engine never sees it."""
    status, headers, body, is_end = answered(getattr(gateway, port), sent)
    assert (status, is_end) == (400, True)
    assert json.loads(body)["error"]["code"] == "malformed_request"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert engine.requests == []


TWO_WAYS = {
    "no host": b"GET %b HTTP/1.1\r\n\r\n",
    "two hosts": b"GET %b HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "two keys": b"GET %b HTTP/1.1\r\nhost: x\r\nauthorization: a\r\nauthorization: b\r\n\r\n",
    "a packed body": b"GET %b HTTP/1.1\r\nhost: x\r\n"
    b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", TWO_WAYS.values(), ids=TWO_WAYS.keys())
@pytest.mark.parametrize(("port", "path"), [("port", b"/v1/models"), ("admin_port", b"/healthz")])
def test_a_head_that_reads_two_ways_is_refused(gateway, port, path, sent):
    """What is HTTP, and would be read differently by the next server, is a 400."""
    status, _, body, _ = answered(getattr(gateway, port), sent % path)
    assert status == 400
    assert json.loads(body)["error"]["code"] == "malformed_request"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://elsewhere/v1/models", 200),
        (b"/v1/%6dodels", 200),
        (b"//v1/models", 404),
        (b"/v1/../v1/models", 404),
        (b"/v1/..%2fmetrics", 404),
        (b"/v1/models%00", 404),
        (b"/v1/%ff", 404),
        (b"/v1/models?" + b"q=%00&" * 100, 200),
    ],
)
def test_odd_paths_lead_to_their_route_or_to_none(gateway, target, status):
    """A path means what it decodes to, and none is resolved or repeated in an answer."""
    got, _, body, _ = answered(gateway.port, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
    assert got == status
    assert b".." not in body
    assert b"elsewhere" not in body


@pytest.mark.parametrize(("path", "anthropic"), [(b"/v1/messages", True), (b"/v1/models", False)])
@pytest.mark.parametrize(
    ("query_bytes", "status"),
    [(MAX_TARGET_BYTES, 405), (MAX_TARGET_BYTES + 1, 414), (30_000, 414)],
)
def test_a_long_path_is_a_414_in_the_routes_form(gateway, path, anthropic, query_bytes, status):
    """The limit holds for path and query together, to the byte."""
    query = b"q" * (query_bytes - len(path))
    sent = b"PATCH %b?%b HTTP/1.1\r\nhost: x\r\n\r\n" % (path, query)
    got, _, body, _ = answered(gateway.port, sent)
    assert got == status
    assert (json.loads(body).get("type") == "error") is anthropic


@pytest.mark.parametrize(("extra", "status"), [(MAX_HEADERS - 1, 200), (MAX_HEADERS, 431)])
def test_the_number_of_headers_is_limited(gateway, extra, status):
    """The last that is allowed passes."""
    assert answered(gateway.port, MODELS + b"a: b\r\n" * extra + b"\r\n")[0] == status


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 431), (100_000, 431)])
@pytest.mark.parametrize("port", ["port", "admin_port"])
def test_the_bytes_of_headers_are_limited(gateway, port, over, status):
    """Whole headers over the limit get a typed answer, those within are served."""
    path = b"/v1/models" if port == "port" else b"/healthz"
    start = b"GET %b HTTP/1.1\r\nhost: x\r\nx: " % path
    taken = len(path) + len(b"hostx") + 4 + len(b"x") + 4
    value = b"y" * (MAX_HEAD_BYTES - taken + over)
    with dial(getattr(gateway, port)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(start + value + b"\r\n\r\n")
        got = connection.makefile("rb").readline().split()[1]
    assert int(got) == status


def test_an_old_client_gets_its_answer_and_the_end(gateway):
    """HTTP/1.0 needs no host and keeps no connection."""
    status, _, body, is_end = answered(gateway.port, b"GET /v1/models HTTP/1.0\r\n\r\n")
    assert (status, is_end) == (200, True)
    assert b'"tiny-qwen3-vl"' in body


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_a_wish_for_another_protocol_is_passed_over(gateway, engine, protocol):
    """Java's client sends one with every request: its body counts, and the connection is kept."""
    engine.play(whole(UNARY), whole(UNARY))
    wish = b"connection: upgrade, http2-settings\r\nupgrade: %b\r\nhttp2-settings: x\r\n" % protocol
    with dial(gateway.port) as connection:
        for _ in range(2):
            connection.sendall(ASK + wish + LENGTH + b"\r\n")
            connection.sendall(CHAT_BODY)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert engine.last().json["messages"][0]["content"] == "hi"


@pytest.mark.parametrize("count", [2, 200])
def test_wishes_for_another_protocol_sent_ahead_are_passed_over(gateway, count):
    """Each of many in one packet is a request of its own."""
    wish = MODELS + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with dial(gateway.port) as connection:
        connection.sendall(wish * count + MODELS + b"connection: close\r\n\r\n")
        said = connection.makefile("rb").read()
    assert said.count(b"HTTP/1.1 200 ") == count + 1


def test_a_client_that_asks_before_its_body_is_told_to_go_on(gateway, engine):
    """100 comes when the body is wanted; a request that is refused anyway gets its error alone."""
    engine.play(whole(UNARY))
    with dial(gateway.port) as connection:
        connection.sendall(ASK + LENGTH + b"expect: 100-continue\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(CHAT_BODY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    refused = b"POST /v1/nothing HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
    assert answered(gateway.port, refused + LENGTH + b"\r\n")[0] == 404


def test_nonsense_within_an_answer_breaks_it_off(gateway, engine):
    """No second answer is mixed into a stream, and the engine is told to stop."""
    engine.play(stall([delta_event(content="a")]))
    body = CHAT_BODY[:-1] + b', "stream": true}'
    with dial(gateway.port) as connection:
        connection.sendall(ASK + b"content-length: %d\r\n\r\n" % len(body) + body)
        said = connection.recv(65536)
        connection.sendall(b"\0nonsense\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                said += piece
    assert said.count(b"HTTP/1.1") == 1
    assert engine.last().hung_up.wait(WAIT_SECONDS)


def test_a_client_that_asks_ahead_and_leaves_is_noticed(gateway, engine):
    """With a second request queued behind it, a stream still ends with its client."""
    engine.play(stall([delta_event(content="a")]))
    body = CHAT_BODY[:-1] + b', "stream": true}'
    with dial(gateway.port) as connection:
        connection.sendall(
            ASK + b"content-length: %d\r\n\r\n" % len(body) + body + MODELS + b"\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert engine.last().hung_up.wait(WAIT_SECONDS)


def test_requests_sent_ahead_are_answered_in_order(gateway, engine):
    """Pipelining is served."""
    engine.play(whole(UNARY))
    with dial(gateway.port) as connection:
        last = MODELS + b"connection: close\r\n\r\n"
        connection.sendall(ASK + LENGTH + b"\r\n" + CHAT_BODY + last)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert said.index(b'"chat.completion"') < said.index(b'"object":"list"')


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (b"my-id_1.2", True),
        (b"a" * 64, True),
        (b"a" * 65, False),
        (b"", False),
        (b'a"b', False),
        (b"a b", False),
        (b"\xff", False),
        (b"a;b=c", False),
    ],
)
def test_a_request_id_is_taken_or_made(gateway, offered, taken):
    """What could mean something in a log or a header is replaced, never repeated."""
    sent = MODELS + b"x-request-id: %b\r\n\r\n" % offered
    status, headers, _, _ = answered(gateway.port, sent)
    assert status == 200
    assert (headers[b"x-request-id"] == offered) is taken
    assert taken or headers[b"x-request-id"].startswith(b"req_")


def test_more_connections_than_the_limit_are_told_so(start_gateway, engine, wait_for):
    """Those within it are served; the next gets a typed 503, and a place once one is free."""
    gateway = start_gateway(max_connections=2)
    with dial(gateway.port) as first, dial(gateway.port) as second:
        for connection in (first, second):
            connection.sendall(MODELS + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        status, headers, body, is_end = answered(gateway.port, b"")
        assert (status, is_end) == (503, True)
        assert headers[b"retry-after"].isdigit()
        assert json.loads(body)["error"]["code"] == "too_many_connections"
        second.sendall(MODELS + b"\r\n")
        assert second.recv(65536).startswith(b"HTTP/1.1 200 ")
    wait_for(lambda: gateway.request("GET", "/v1/models").status == 200)


@pytest.mark.parametrize(
    "sent", [b"", b"GET /v1/models HTTP/1.1\r\nhost:", b"POST /v1/completions HTTP/1.1\r\nx: y\r\n"]
)
def test_headers_that_do_not_come_end_the_connection(start_gateway, engine, sent):
    """A connection without whole headers is dropped after the limit."""
    gateway = start_gateway(header_timeout_seconds=0.4)
    started = time.monotonic()
    with dial(gateway.port) as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert time.monotonic() - started > 0.3


def test_headers_without_end_are_dropped(start_gateway, engine):
    """Memory is bounded before any request exists."""
    gateway = start_gateway()
    with dial(gateway.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(1000):
                connection.sendall(b"x: " + b"y" * 4000 + b"\r\n")
                time.sleep(0.001)


REFUSED = b"POST /v1/nothing HTTP/1.1\r\nhost: x\r\n"


def test_the_rest_of_a_refused_body_has_a_deadline(start_gateway, engine):
    """A client cannot hold a connection by never ending a body that nobody reads."""
    gateway = start_gateway(stalled_reader_seconds=0.5)
    with dial(gateway.port) as connection:
        connection.sendall(REFUSED + b"content-length: 1000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(b"x")
            assert connection.recv(100) == b""


@pytest.mark.parametrize(("length", "then"), [(1, b"x"), (0, b"\r\n")], ids=["body", "line"])
def test_what_follows_an_answer_and_is_no_request_keeps_no_connection(
    start_gateway, engine, wait_for, monkeypatch, length, then
):
    """The rest of a refused body, or an empty line, does not stop an idle connection's clock."""
    monkeypatch.setattr(http_server, "KEEP_ALIVE_SECONDS", 1)
    gateway = start_gateway()
    with dial(gateway.port) as connection:
        connection.sendall(REFUSED + b"content-length: %d\r\n\r\n" % length)
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        connection.sendall(then)
        wait_for(lambda: not is_held(connection))


def test_a_head_that_began_within_an_answer_is_no_idle_connection(
    start_gateway, engine, monkeypatch
):
    """The answer's end starts no clock for what is not idle."""
    monkeypatch.setattr(http_server, "KEEP_ALIVE_SECONDS", 1)
    gateway = start_gateway()
    engine.play(slow_first_byte(0.5, whole(UNARY)), slow_first_byte(2, whole(UNARY)))
    with dial(gateway.port) as connection:
        connection.sendall(ASK + LENGTH + b"\r\n" + CHAT_BODY + ASK)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(LENGTH + b"\r\n" + CHAT_BODY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_refused_unread_is_never_the_next_request(engine, start_gateway, wait_for, framing):
    """429 comes before a body of requests; what follows it on the connection is served."""
    gateway = start_gateway(max_running_requests=1, max_queued_requests=0)
    gateway.wait_ready()
    engine.default = stall([])
    body = (MODELS + b"\r\n") * 50_000
    head, data = b"content-length: %d\r\n\r\n" % len(body), body
    if framing == "chunks":
        head = b"transfer-encoding: chunked\r\n\r\n"
        data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with dial(gateway.port) as running, dial(gateway.port) as connection:
        running.sendall(ASK + LENGTH + b"\r\n" + CHAT_BODY)
        wait_for(lambda: len(engine.requests) == 1)
        connection.sendall(ASK + head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 429 ")
        connection.sendall(data + MODELS + b"connection: close\r\n\r\n")
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_trailers_without_end_are_dropped(start_gateway, engine):
    """Memory is bounded behind a body too."""
    gateway = start_gateway()
    with dial(gateway.port) as connection:
        connection.sendall(REFUSED + b"transfer-encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(1000):
                connection.sendall(b"x: " + b"y" * 4000 + b"\r\n")
                time.sleep(0.001)


def test_a_closing_answer_that_is_not_read_is_dropped(start_gateway, engine, wait_for):
    """A reader that stalls behind the last byte holds no connection."""
    gateway = start_gateway(stalled_reader_seconds=1)
    engine.play(whole(b'{"x":"' + b"y" * 8_000_000 + b'"}'))
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    with dial(gateway.port) as connection:
        connection.sendall(head + b'content-length: 13\r\n\r\n{"prompt":""}')
        wait_for(lambda: gateway.metric("gateway_requests_total") == 1)
        wait_for(lambda: not is_held(connection))
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(2**20):
                received += len(piece)
    assert received < 8_000_000
