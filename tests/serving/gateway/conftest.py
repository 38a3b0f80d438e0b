"""A gateway and a fake engine on real sockets, each in a thread of its own."""

import asyncio
import http.client
import itertools
import json
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest
import uvloop

from serving.catalogue import entry_for
from serving.gateway import engine_watch, exchange, upstream
from serving.gateway.app import Gateway, create_app
from serving.gateway.server import Stop, serve
from serving.options import (
    EngineSettings,
    GatewaySettings,
    ModelsSettings,
    Settings,
    StoreSettings,
)
from tests.fake_engine import WAIT_SECONDS, FakeEngine, Loop
from tests.serving.gateway.fast_clock import SPEED, FastLoop

CONTROL = itertools.count()
CHAT = {"model": "tiny-qwen3-vl", "messages": [{"role": "user", "content": "hi"}]}


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body decoded."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Return the error object."""
        return self.json["error"]


class RunningGateway:
    """A gateway that serves, with a small client for it."""

    def __init__(self, settings: Settings, loop: Loop = uvloop.new_event_loop) -> None:
        self.settings = settings
        self._loop_factory = loop
        self.port = self.admin_port = 0
        self.stop_wish: Stop | None = None
        self.app: Gateway | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._open.wait(WAIT_SECONDS)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        admin: bool = False,
    ) -> Answer:
        """Send a request and read its whole answer."""
        connection = self.connect(admin=admin)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def connect(self, admin: bool = False) -> http.client.HTTPConnection:
        """Open a connection."""
        port = self.admin_port if admin else self.port
        return http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)

    def chat(
        self,
        headers: dict[str, str] | None = None,
        path: str = "/v1/chat/completions",
        **fields: Any,
    ) -> Answer:
        """Ask a chat question."""
        return self.request("POST", path, json.dumps({**CHAT, **fields}).encode(), headers)

    def admin(self, path: str) -> Answer:
        """Get a page of the admin port."""
        return self.request("GET", path, admin=True)

    def metric(self, selector: str) -> float:
        """Return a metric, summed over the labels that the selector leaves out; 0 where none is."""
        name, _, labels = selector.rstrip("}").partition("{")
        wanted = labels.split(",") if labels else []
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.admin("/metrics").body.decode().splitlines()
            if line.startswith((name + "{", name + " ")) and all(each in line for each in wanted)
        )

    def wait_ready(self, ready: bool = True) -> None:
        """Wait until /readyz says so."""
        wait_for(lambda: (self.admin("/readyz").status == 200) is ready)

    def end(self) -> None:
        """Do what two signals do, and wait for the end; one that has ended is left alone."""
        if not self._thread.is_alive():
            return
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hurry)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def _hurry(self) -> None:
        assert self.stop_wish is not None
        for _ in range(2):
            self.stop_wish.request(signal.SIGTERM)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.stop_wish = Stop()
        self.app = create_app(self.settings, entry_for("tiny", price=self.settings.models.price))
        await serve(self.app, self.stop_wish, self._started)

    def _started(self, port: int, admin_port: int) -> None:
        self.port, self.admin_port = port, admin_port
        self._open.set()


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., None]:
    """Return the patient assertion."""
    return wait_for


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def _frequent_looks() -> Iterator[None]:
    """Let gateways look at their engine often: tests wait for what they find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_watch, "POLL_SECONDS", 0.1)
        patch.setattr(engine_watch, "READY_POLL_SECONDS", 0.1)
        yield


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Return a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder) / "engine.sock"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FakeEngine, RunningGateway]]:
    """Run one engine and one gateway with default limits for a module's tests."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        fake = FakeEngine(Path(folder) / "engine.sock")
        fake.start()
        running = RunningGateway(settings_for(fake.socket_path))
        running.wait_ready()
        yield fake, running
        running.end()
        fake.stop()


@pytest.fixture
def gateway(pair: tuple[FakeEngine, RunningGateway]) -> RunningGateway:
    """Return the module's gateway: with default limits, before a ready engine."""
    return pair[1]


@pytest.fixture
def engine(request: pytest.FixtureRequest, socket_path: Path) -> Iterator[FakeEngine]:
    """Return the engine of the module's gateway without records, or one of the test's own."""
    if "gateway" in request.fixturenames:
        shared: FakeEngine = request.getfixturevalue("pair")[0]
        shared.reset()
        yield shared
        return
    fake = FakeEngine(socket_path)
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def start_gateway(socket_path: Path) -> Iterator[Callable[..., RunningGateway]]:
    """Start gateways with options before the test's own engine; they end with the test."""
    started: list[RunningGateway] = []

    def start(**options: Any) -> RunningGateway:
        started.append(RunningGateway(settings_for(socket_path, **options)))
        return started[-1]

    yield start
    for gateway in started:
        gateway.end()


@pytest.fixture
def start_fast(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[FakeEngine, RunningGateway]]]:
    """Start an engine, and a gateway with options, whose minutes take seconds.

    Limits that no test here is about keep their length by the wall's clock.
    """
    monkeypatch.setattr(engine_watch, "POLL_SECONDS", 0.1 * SPEED)
    monkeypatch.setattr(engine_watch, "READY_POLL_SECONDS", 0.1 * SPEED)
    monkeypatch.setattr(upstream, "PROBE_SECONDS", WAIT_SECONDS * SPEED)
    monkeypatch.setattr(exchange, "LAST_WORDS_SECONDS", WAIT_SECONDS * SPEED)
    usual = dict.fromkeys(
        (
            "header_timeout_seconds",
            "connect_timeout_seconds",
            "stalled_reader_seconds",
            "watchdog_seconds",
        ),
        WAIT_SECONDS * SPEED,
    )
    engine, started = FakeEngine(socket_path, loop=FastLoop), []
    engine.start()

    def start(works: bool = False, **options: Any) -> tuple[FakeEngine, RunningGateway]:
        engine.works = works
        settings = settings_for(socket_path, **usual | options)
        started.append(RunningGateway(settings, FastLoop))
        started[-1].wait_ready()
        return engine, started[-1]

    yield start
    for gateway in started:
        gateway.end()
    engine.stop()


def is_held(connection: socket.socket) -> bool:
    """Say whether the gateway in this process still holds the other end of a connection."""
    port = connection.getsockname()[1]
    ends = psutil.Process().net_connections("tcp")
    return any(end.raddr and end.raddr.port == port for end in ends)


def settings_for(
    socket_path: Path,
    *,
    store_url: str | None = None,
    usage: bool | None = None,
    budget_unknown: str = "refuse",
    prices: Mapping[str, float] = MappingProxyType({}),
    **options: Any,
) -> Settings:
    """Return settings with free ports, a store, prices, and the given options of the gateway.

    A ledger is kept where there is a store, unless `usage` says otherwise.
    """
    usual = {
        "port": 0,
        "admin_port": 0,
        "drain_seconds": 5,
        # Several gateways of a test may share an engine.
        "control_socket": socket_path.with_name(f"{next(CONTROL)}.sock"),
    }
    gateway = GatewaySettings(**usual | options)
    return Settings(
        engine=EngineSettings(listen=str(socket_path)),
        gateway=gateway,
        store=StoreSettings(
            url=store_url,
            usage=store_url is not None if usage is None else usage,
            budget_unknown=budget_unknown,
        ),
        models=ModelsSettings(**prices),
    )
