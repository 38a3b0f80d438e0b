"""No word of a client's in any log, metric or error: told by canaries, with everything talking."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from serving.ports import free_ports
from tests.fake_engine import (
    DONE,
    WAIT_SECONDS,
    FakeEngine,
    delta_event,
    refusal,
    stall,
    stream,
    usage_event,
    whole,
)
from tests.serving.gateway.canary import Canaries

# All loggers from DEBUG on, asyncio's debug mode, and two routes that fail with what they read.
PROGRAM = """
import asyncio, dataclasses, gc, json, logging, sys, warnings
from serving import logs
from serving.catalogue import entry_for
from serving.gateway import routes
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.server import run
from serving.options import Settings

logs.configure("debug", json=sys.argv[2] == "json")
for name in logs.QUIET:
    logging.getLogger(name).setLevel(logging.DEBUG)
warnings.simplefilter("always")

def fail(words):
    raise LookupError(words)

async def fail_later(words):
    fail(words)

async def break_down(served, exchange):
    words = bytes(await exchange.read_body()).decode()
    loop = asyncio.get_running_loop()
    loop.create_task(fail_later(words))
    loop.call_soon(fail, words)
    await asyncio.sleep(0.01)
    gc.collect()
    library = logging.getLogger("aiohttp.client")
    library.error("a library fails: %s", words, exc_info=KeyError(words))
    raise ValueError(words) from KeyError(words)

async def break_border(served, exchange):
    words = bytes(await exchange.read_body()).decode()
    exchange.finish = lambda: fail(words)
    raise ValueError(words)

for path, endpoint in (("/responses", break_down), ("/completions", break_border)):
    routes.ROUTES[path] = dataclasses.replace(routes.ROUTES[path], endpoint=endpoint)
if len(sys.argv) > 3:
    EngineWatch.run = lambda self: fail_later(sys.argv[3])
sys.exit(run(Settings.model_validate(json.loads(sys.argv[1])), entry_for("tiny")))
"""


class Talkative:
    """A gateway in a process of its own that logs all it can."""

    def __init__(self, engine: FakeEngine, form: str, *words: str, **options: object) -> None:
        self.port, self.admin_port = free_ports(2)
        ports = {"port": self.port, "admin_port": self.admin_port}
        settings = {"engine": {"listen": str(engine.socket_path)}, "gateway": {**ports, **options}}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(settings), form, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONASYNCIODEBUG": "1"},
        )
        self._said = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Send a request; return status and body, as far as it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            try:
                return response.status, response.read()
            except http.client.IncompleteRead as cut:
                return response.status, cut.partial

    def raw(self, sent: bytes) -> bytes:
        """Send bytes; return what is answered until the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS) as connection:
            said = b""
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
                while piece := connection.recv(65536):
                    said += piece
            return said

    def page(self, path: str) -> tuple[int, bytes]:
        """Get a page of the admin port; status 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=WAIT_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read()
            except OSError:
                return 0, b""

    def end(self) -> bytes:
        """End the process if it still runs; return all that it has written."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        assert self.process.stdout is not None
        return self._said + self.process.stdout.read()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._said = self.process.stderr.read()


@pytest.fixture
def processes() -> Iterator[list[Talkative]]:
    """Keep processes to be ended with the test."""
    kept: list[Talkative] = []
    yield kept
    for gateway in kept:
        gateway.process.kill()
        gateway.process.communicate()


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """Serve nothing but redirects and 404 on a port, for downloads that fail."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "away" in self.path:
                self.send_response(302)
                self.send_header("location", "ftp://x" + self.path.replace("away", "on"))
            else:
                self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(WAIT_SECONDS)


def encoded(value: object) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()


def refused_bodies(canaries: Canaries, port: int) -> Iterator[bytes]:
    """Yield chat requests with words that are refused, each for another reason."""
    prompt = canaries["prompt"]
    yield prompt.encode()
    yield encoded(canaries.chat()).replace(b'"user"', b'"user\xff"', 1)
    yield encoded(canaries.chat(temperature=prompt))
    yield encoded(canaries.chat(messages=[{"role": prompt, "content": "hi"}]))
    yield encoded(canaries.chat(messages=[{"role": "user", "content": [{"type": prompt}]}]))
    yield encoded(canaries.chat(tool_choice={"type": "function", "function": {"name": prompt}}))
    yield encoded(canaries.chat(response_format={"type": "json_schema", "json_schema": prompt}))
    yield encoded(canaries.chat(reasoning_effort=prompt))
    word = canaries["picture_url"]
    for url in (
        f"data:image/png;base64,{canaries.picture()[22:60]}",
        f"data:text/{word};base64,AAAA",
        f"ftp://{word}.test/",
        f"http://{word}.invalid/{word}?{word}",
        f"http://10.1.2.3/{word}?{word}",
        f"http://127.0.0.1:{port}/{word}?{word}",
        f"http://127.0.0.1:{port}/away/{word}?{word}",
        f"http://user:{word}@127.0.0.1:1/{word}",
    ):
        part = {"type": "image_url", "image_url": {"url": url}}
        yield encoded(canaries.chat(messages=[{"role": "user", "content": [part]}]))


def engine_failures(canaries: Canaries) -> Iterator[object]:
    """Yield scripts of an engine that fails with words."""
    words = f"{canaries['engine_error']} {canaries['prompt']}"
    yield whole(canaries.failure(), 500)
    yield whole(words.encode(), 500)
    yield refusal(429, words)
    yield refusal(503, words)
    yield refusal(401, words)
    yield whole(words.encode())
    yield stream([*canaries.events(), canaries.failed_event()])
    yield stream(canaries.events(), end=False)
    yield stream([b"data: " + words.encode() + b"\n\n"])
    yield stall(canaries.events())


def told(said: bytes) -> bytes:
    """Return the errors within a stream, or all of another answer."""
    if not said.startswith((b"data: ", b"event: ", b":")):
        return said
    return b"".join(line for line in said.splitlines() if b'"error"' in line)


def drive(gateway: Talkative, canaries: Canaries, engine: FakeEngine, port: int) -> list[bytes]:
    """Let requests succeed and fail in every way; return the bodies of those that failed."""
    key = canaries.headers()
    del key["x-api-key"]
    chat, query = "/v1/chat/completions", f"?q={canaries['query']}"
    good = encoded(canaries.chat(stream=True))
    failed = []

    def fail(method: str, path: str, body: bytes = b"", headers: dict[str, str] = key) -> None:
        status, said = gateway.ask(method, path + query, body, headers)
        error = told(said)
        assert status >= 400 or error, (status, said)
        failed.append(error)

    full = stream([*canaries.events(), delta_event(finish_reason="stop"), usage_event(), DONE])
    engine.play(full, full)
    assert gateway.ask("POST", chat + query, encoded(canaries.chat()), key)[0] == 200
    status, said = gateway.ask("POST", chat, good, key)
    assert (status, canaries.found_in(said)) == (200, {"thought", "answer", "tool"})
    for body in refused_bodies(canaries, port):
        fail("POST", chat, body)
    for headers in (
        {"x-api-key": canaries["x_api_key"]},
        {"authorization": canaries["bearer"]},
        {},
    ):
        fail("POST", chat, good, headers)
    fail("POST", chat, good, key | {"content-encoding": canaries["header"]})
    fail("GET", f"/v1/{canaries['query']}")
    fail("PATCH", chat)
    fail("POST", chat, canaries["prompt"].encode() * 100_000)
    fail("GET", "/v1/models", headers=key | {"x-long": canaries["header"] * 3000})
    fail("GET", f"/v1/models/{canaries['query'] * 400}")
    for script in engine_failures(canaries):
        engine.play(script)
        fail("POST", chat, good)
    for path in ("/v1/responses", "/v1/completions"):
        fail("POST", path, canaries["fault"].encode())
    head = f"POST {chat}{query} HTTP/1.1\r\nhost: x\r\nauthorization: {key['authorization']}\r\n"
    failed.append(gateway.raw(f"{head}content-length: 9000\r\n\r\n{canaries['prompt']}".encode()))
    failed.append(gateway.raw(f"GET /{canaries['query']} {canaries['header']}\r\n\r\n".encode()))
    failed.append(gateway.raw(f"{head}x: {canaries['header']}\0\r\n\r\n".encode()))
    engine.play(stall(canaries.events()))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_SECONDS) as leaver:
        leaver.sendall(f"{head}content-length: {len(good)}\r\n\r\n".encode() + good)
        leaver.recv(65536)
    engine.last().hung_up.wait(WAIT_SECONDS)
    engine.stop()
    fail("POST", chat, good)
    return failed


@pytest.mark.parametrize("form", ["json", "lines"])
def test_nothing_repeats_what_a_client_sends(engine, processes, wait_for, elsewhere, form):
    """Neither logs nor metrics nor errors, whatever fails, with every logger at its loudest."""
    canaries = Canaries()
    gateway = Talkative(
        engine,
        form,
        api_keys=[canaries["bearer"]],
        header_timeout_seconds=1,
        idle_timeout_seconds=1,
        max_body_bytes=2_000_000,
        media_private_networks=["127.0.0.0/8"],
    )
    processes.append(gateway)
    wait_for(lambda: gateway.page("/readyz")[0] == 200)
    failed = drive(gateway, canaries, engine, elsewhere)
    pages = [gateway.page(path)[1] for path in ("/metrics", "/readyz", "/livez")]
    logged = gateway.end()
    for text in (*failed, *pages, logged):
        assert not canaries.found_in(text), text
    assert all(failed)
    for name in (b"ValueError", b"LookupError", b"a library fails: %s"):
        assert name in logged, "the faults were not logged at all"


def test_a_fault_that_ends_the_process_says_no_word(engine, processes):
    """Background work that fails ends the program with its place, not with what it worked on."""
    canaries = Canaries()
    gateway = Talkative(engine, "lines", canaries["fault"])
    processes.append(gateway)
    assert gateway.process.wait(WAIT_SECONDS) != 0
    logged = gateway.end()
    assert not canaries.found_in(logged), logged
    assert b"LookupError" in logged


def test_canaries_are_found_however_they_are_written():
    """Plain, and within base64 and hexadecimals at any place: the tests above can fail."""
    canaries = Canaries()
    word = canaries["prompt"].encode()
    for text in (
        b"x" + word,
        word.hex().encode(),
        *(base64.b64encode(b"y" * n + word + b"z" * 5) for n in range(6)),
    ):
        assert canaries.found_in(text) == {"prompt"}
    assert canaries.found_in(b"canary") == set()
