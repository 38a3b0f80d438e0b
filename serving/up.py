"""Runs engine and gateway together on one machine, from their start to their end.

Supervises nothing: when one of them ends, so does the other, and the exit code tells.
"""

import contextlib
import ctypes
import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from serving import startup
from serving.catalogue import TINY
from serving.engine import arithmetic, launcher, weights
from serving.engine.build import engine_mismatch, installed_builds
from serving.engine.hardware import Machine, cpu_refusal, detect
from serving.engine.socket import GATEWAY, connection, parse, private_folder, take
from serving.failure import Ended, StartError
from serving.gateway import tls
from serving.gateway.control import control_path
from serving.gateway.keys import load_keys
from serving.gateway.listeners import bind
from serving.options import GatewaySettings, run_folder
from serving.selection import Selection, select

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
READY_TIMEOUT_SECONDS = 1800
# What vLLM takes beyond its own shutdown timeout to let go of memory and workers.
ENGINE_EXIT_SECONDS = 20
PR_SET_PDEATHSIG = 1
# What vLLM compiles and finds out is kept inside the environment, unless the user says where.
CACHE = Path(sys.prefix) / "cache"
CACHES = {
    "VLLM_CACHE_ROOT": "vllm",
    "VLLM_CONFIG_ROOT": "vllm-config",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
}
# Never by a proxy: what is asked here runs on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run(config: Path | None, *, verbose: bool) -> int:
    """Serve until a signal comes or a part ends; return the exit code.

    Raises StartError for everything that stands in the way, before the engine is started.
    """
    phases = startup.Phases()
    machine = detect()
    selection = select(config, os.environ, machine)
    if not machine.gpus and (refusal := cpu_refusal(machine)):
        raise StartError(refusal, "`make check` still runs here.")
    if mismatch := engine_mismatch(selection.choice.gpus, installed_builds()):
        raise StartError(mismatch, "Run make serve, which sets up the other one.")
    with contextlib.closing(load_keys(selection.loaded.settings)) as ring:
        has_keys = ring.needed
    tls.Pair.read(selection.loaded.settings.gateway)
    _require_ports(selection.loaded.settings.gateway)
    os.close(take(control_path(selection.loaded.settings), GATEWAY))
    private_folder(run_folder())
    _say_choice(selection)
    _check(selection, machine)
    _download(selection, phases)
    return Pair(selection, config, phases, verbose=verbose).serve(has_keys=has_keys)


def _require_ports(gateway: GatewaySettings) -> None:
    """Say that a port is taken before anything is started; one chosen by chance cannot be shown."""
    for option in ("port", "admin_port"):
        if getattr(gateway, option) == 0:
            raise StartError(f"gateway.{option} is 0.", f"Set {option.upper()} to a free port.")
    for listener in bind(gateway):
        listener.close()


def _check(selection: Selection, machine: Machine) -> None:
    """Find contradictions before a download, and show what the memory is spent on."""
    model = selection.engine.model
    folder = weights.local_folder(model)
    if (folder and folder.is_dir()) or arithmetic.known_shape(model):
        gpus = selection.choice.gpus or machine.gpus
        launch = launcher.prepare(selection.loaded.settings, gpus, folder)
        if selection.entry.id != TINY:
            for line in launch.arithmetic:
                logger.info(line)


def _say_choice(selection: Selection) -> None:
    logger.info("%s %s", selection.entry.id, f"is served. {selection.choice.reason}")
    if not selection.is_exact:
        logger.warning(
            "This GPU has no profile of its own; %s is the nearest and is used.",
            selection.engine.profile,
        )


def _download(selection: Selection, phases: startup.Phases) -> None:
    engine = selection.engine
    plan = weights.plan(engine.model, engine.revision, offline=False)
    for line in plan.lines():
        logger.info(line)
    if plan.commit:
        with startup.download_bar() as show:
            weights.fetch(plan, show)
        phases.done("download")


class Pair:
    """The two processes, from their start to their end."""

    def __init__(
        self, selection: Selection, config: Path | None, phases: startup.Phases, *, verbose: bool
    ) -> None:
        self._selection = selection
        self._gateway_settings = selection.loaded.settings.gateway
        pair = tls.Pair.read(self._gateway_settings)
        self._certified = pair.names if pair else ()
        self._phases = phases
        self._verbose = verbose
        self._arguments = ["--config", str(config)] if config else []
        caches = {name: str(CACHE / folder) for name, folder in CACHES.items()}
        self._environment = caches | os.environ | selection.environment()
        self._signals = 0
        # Its own file for each run: a second one must not overwrite what the first may need.
        self._log_path = run_folder() / f"engine-{os.getpid()}.log"
        self._gateway: subprocess.Popen[bytes] | None = None
        self._engine: subprocess.Popen[bytes] | None = None

    def serve(self, *, has_keys: bool) -> int:
        """Start both, wait for the end of either or a signal, and end both."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        with _opened(self._log_path) as log:
            logger.info("the engine's own output goes to %s", self._log_path)
            try:
                # The gateway first: a taken port is said before the engine costs half a minute.
                self._gateway = self._start("gateway", None)
                self._engine = self._start("engine", log.fileno())
                follower = startup.Follower(self._log_path, verbose=self._verbose)
                ready = self._until_ready(follower, has_keys)
                if ready:
                    self._until_end(follower)
                code = self._verdict(Ended if ready else StartError)
            finally:
                self._end()
        if code == 0:
            self._log_path.unlink()
        return code

    def _start(self, command: str, output: int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 — our own program, no shell
            [sys.executable, "-m", "serving", command, *self._arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Signals reach the children through us alone, in the order that drains streams.
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 — no other thread runs
        )

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._gateway and self._gateway.poll() is None:
            # Not SIGINT: a gateway that still imports would answer it with a trace.
            self._gateway.terminate()

    def _alive(self) -> bool:
        return all(
            part is not None and part.poll() is None for part in (self._gateway, self._engine)
        )

    def _until_ready(self, log: startup.Follower, has_keys: bool) -> bool:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        host = startup.url_host(self._gateway_settings.host)
        admin = f"http://{host}:{self._gateway_settings.admin_port}"
        while self._alive() and not self._signals:
            for line in log.new_lines():
                self._phases.read(line)
            if answers(f"{admin}/readyz"):
                self._phases.done("ready")
                sys.stdout.write(self._ready(admin, has_keys).block())
                sys.stdout.flush()
                return True
            if time.monotonic() > deadline:
                raise StartError(
                    f"The engine was not ready after {READY_TIMEOUT_SECONDS} s.",
                    f"Read {self._log_path}.",
                )
            time.sleep(TICK_SECONDS)
        return False

    def _ready(self, admin: str, has_keys: bool) -> startup.Ready:
        gateway = self._gateway_settings
        return startup.Ready(
            url=startup.api_url(gateway, self._certified),
            admin_url=admin,
            model=self._selection.entry.id,
            names=self._selection.entry.names,
            context=served_context(self._selection.engine.listen),
            max_output_tokens=gateway.max_output_tokens,
            max_images=min(gateway.max_images, self._selection.engine.limit_images),
            has_keys=has_keys,
            has_page=gateway.model_page,
            seconds=self._phases.seconds,
        )

    def _until_end(self, log: startup.Follower) -> None:
        while self._alive() and not self._signals:
            log.new_lines()
            time.sleep(TICK_SECONDS)
        log.new_lines()

    def _verdict(self, failure: type[StartError]) -> int:
        """Return 0 for an end that was asked for; else say which part ended and why."""
        if self._signals:
            return 0
        if self._engine and self._engine.poll() is not None:
            reason = startup.reason_of_death(self._log_path.read_text(errors="replace"))
            raise failure(
                f"The engine {_ending(self._engine.returncode)}: {reason}",
                f"Its whole output is in {self._log_path}.",
            )
        code = self._gateway.returncode if self._gateway else 1
        if code < 0:
            raise failure(f"The gateway {_ending(code)}.", "Start again; the engine was ended.")
        # An end of its own the gateway has explained on stderr.
        return code or 1

    def _end(self) -> None:
        """End the gateway (it drains), then the engine, then whatever either left behind."""
        patience = self._gateway_settings.drain_seconds + ENGINE_EXIT_SECONDS
        engine_alive = self._engine is not None and self._engine.poll() is None
        if self._gateway and self._gateway.poll() is None:
            if not self._signals:
                self._gateway.terminate()
            if not engine_alive:
                self._gateway.terminate()  # nothing to drain: the second signal ends it at once
        _wait(self._gateway, patience)
        if self._engine and self._engine.poll() is None:
            self._engine.terminate()
        _wait(self._engine, self._selection.engine.shutdown_timeout + ENGINE_EXIT_SECONDS)
        for part in (self._gateway, self._engine):
            if part:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(part.pid, signal.SIGKILL)
                part.wait()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("w+b")
    except OSError as error:
        raise StartError(
            f"The engine's log {path} cannot be written: {error.strerror}.",
            "Make room there, or set XDG_RUNTIME_DIR to another private folder.",
        ) from None


def served_context(listen: str) -> int:
    """Ask a ready engine how many tokens a request may have."""
    with contextlib.closing(connection(parse(listen), 10)) as engine:
        engine.request("GET", "/v1/models")
        return int(json.load(engine.getresponse())["data"][0]["max_model_len"])


def answers(url: str) -> bool:
    """Tell whether an address on this machine answers with 200."""
    try:
        with DIRECT.open(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _ending(code: int) -> str:
    if code < 0:
        often = " (often for lack of memory)" if code == -signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{often}"
    return f"ended with exit code {code}"


def _wait(part: subprocess.Popen[bytes] | None, seconds: float) -> None:
    if part:
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.wait(seconds)


def die_with_parent() -> None:
    """Ask the kernel to end this child when its parent is killed, so that none is orphaned."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
