"""An engine that hangs and one that is killed, under streams: gateway and engine started apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from serving.ports import free_ports
from tests.engine.conftest import (
    ANSWER_SECONDS,
    ROOT,
    START_SECONDS,
    STOP_SECONDS,
    require_engine,
    variables,
)

WATCHDOG_SECONDS = 5
STREAMS = 8
# More than any engine here computes before the test is over.
ENDLESS = 12_000
QUESTION = {"messages": [{"role": "user", "content": "Count aloud to 90."}]}


@dataclass(frozen=True)
class Apart:
    """A gateway and an engine that do not know of each other's start."""

    engine: psutil.Process
    gateway: subprocess.Popen[bytes]
    url: str
    admin_url: str

    @property
    def core(self) -> psutil.Process:
        """The engine's child that computes."""
        (found,) = [c for c in self.engine.children() if "VLLM::EngineCore" in c.cmdline()[0]]
        return found

    def probe(self, path: str) -> tuple[int, str]:
        """Return a page of the admin port."""
        answer = httpx.get(self.admin_url + path, timeout=ANSWER_SECONDS)
        return answer.status_code, answer.text

    def chat(self, **fields: object) -> httpx.Response:
        """Ask a question."""
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, json=QUESTION | fields, timeout=ANSWER_SECONDS)


class Streams:
    """Endless streams that run at the same time, each in a thread."""

    def __init__(self, apart: Apart) -> None:
        self.bodies: list[str] = []
        self._begun = threading.Semaphore(0)
        self._url = f"{apart.url}/v1/chat/completions"
        self._threads = [threading.Thread(target=self._ask) for _ in range(STREAMS)]
        for thread in self._threads:
            thread.start()

    def wait_running(self) -> None:
        """Wait until each has got its first event."""
        for _ in self._threads:
            assert self._begun.acquire(timeout=ANSWER_SECONDS)

    def errors(self) -> list[dict[str, str]]:
        """Return the one error that each got at its end."""
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)
        streams = [
            [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
            for body in self.bodies
        ]
        told = [["error" in event for event in events].count(True) for events in streams]
        assert told == [1] * STREAMS
        return [events[-1]["error"] for events in streams]

    def _ask(self) -> None:
        fields = QUESTION | {"stream": True, "max_tokens": ENDLESS, "min_tokens": ENDLESS}
        with httpx.stream("POST", self._url, json=fields, timeout=ANSWER_SECONDS) as answer:
            parts, text = answer.iter_text(), ""
            for part in parts:
                if not text:
                    self._begun.release()
                text += part
        self.bodies.append(text)


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    """Start an engine and a gateway whose watchdog bites soon; the gateway must end with 0."""
    require_engine()
    with tempfile.TemporaryDirectory(prefix="apart-") as name:
        port, admin_port = free_ports(2)
        environment = variables(Path(name)) | {
            "PORT": str(port),
            "ADMIN_PORT": str(admin_port),
            "SERVING_GATEWAY__WATCHDOG_SECONDS": str(WATCHDOG_SECONDS),
        }
        programs = [_start(command, Path(name), environment) for command in ("engine", "gateway")]
        engine, gateway = programs
        running = Apart(
            psutil.Process(engine.pid),
            gateway,
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{admin_port}",
        )
        family = []
        try:
            _wait_for(lambda: _is_ready(running), START_SECONDS)
            family = running.engine.children(recursive=True)
            yield running
            gateway.terminate()
            assert gateway.wait(STOP_SECONDS) == 0
        finally:
            for process in [*family, *programs]:
                if not isinstance(process, psutil.Process) or process.is_running():
                    process.kill()
            for program in programs:
                program.wait()


def _start(command: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{command}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "serving", command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _is_ready(running: Apart) -> bool:
    try:
        return running.probe("/readyz")[0] == 200
    except httpx.TransportError:
        return False


def _wait_for(condition: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("part", "busy", "reason"),
    [
        pytest.param("core", True, "the engine has computed nothing for", id="core, busy"),
        pytest.param("core", False, "the engine has computed nothing for", id="core, idle"),
        pytest.param("api", True, "the engine's metrics have not answered for", id="API process"),
    ],
)
def test_a_stopped_engine_is_found_told_and_served_again(
    apart: Apart, part: str, busy: bool, reason: str
) -> None:
    """Its streams end with one typed error, new requests are 503, /livez says why; then it works.

    A core that stands still while it is idle reports no request: the gateway's own count tells.
    """
    process = apart.core if part == "core" else apart.engine
    streams = Streams(apart) if busy else None
    if streams:
        streams.wait_running()
    process.send_signal(signal.SIGSTOP)
    try:
        if streams:
            told = streams.errors()
        else:
            answer = apart.chat()
            assert answer.status_code == 504
            told = [answer.json()["error"]]
        status, body = apart.probe("/livez")
        refused = apart.chat()
    finally:
        process.send_signal(signal.SIGCONT)
    assert {error["code"] for error in told} == {"engine_timeout"}
    assert all(reason in error["message"] for error in told), told
    assert status == 503
    assert body.startswith(reason)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    _wait_for(lambda: apart.probe("/livez")[0] == apart.probe("/readyz")[0] == 200)
    assert apart.chat(max_tokens=40).status_code == 200


def test_kill_9_of_the_engine_is_told_once(apart: Apart) -> None:
    """Each stream gets one typed error and new requests 503; the gateway stays."""
    streams = Streams(apart)
    streams.wait_running()
    core = apart.core
    os.kill(apart.engine.pid, signal.SIGKILL)
    core.kill()
    assert {error["code"] for error in streams.errors()} == {"engine_error"}
    refused = apart.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_unavailable")
    assert "retry-after" in refused.headers
    assert apart.probe("/readyz") == (503, "the engine does not answer\n")
    assert apart.probe("/startupz")[0] == 503
    assert apart.probe("/healthz")[0] == 200
