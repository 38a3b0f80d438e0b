"""Starts and ends the two programs of a step: the endpoint, and the load on it.

Both die with this process, however it dies: a GPU must not stay taken by what nobody waits for.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.ports import free_ports
from serving.up import answers, die_with_parent

TICK_SECONDS = 0.2
# How long a program may take to end when it is asked to: the engine lets go of its memory.
ENDPOINT_END_SECONDS, LOAD_END_SECONDS = 60, 10
ROOT = Path(__file__).parents[3]


class Ended(Exception):
    """A program ended before its work was done; the text says why."""


@dataclass(frozen=True, slots=True)
class Commands:
    """How the two programs are called: the endpoint, and `loadtests run` before its arguments."""

    serve: Sequence[str] = (sys.executable, "-m", "serving", "up")
    load: Sequence[str] = (sys.executable, "-m", "loadtests", "run")


class Endpoint:
    """`serving up` on a free port of this machine, from its start to its end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        port, admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.admin_url = f"http://127.0.0.1:{admin_port}"
        self._log = log
        ports = {"HOST": "127.0.0.1", "PORT": str(port), "ADMIN_PORT": str(admin_port)}
        self._process = start(command, {**environment, **ports}, log)

    @property
    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def wait_until_ready(self, deadline: float) -> None:
        """Return once it takes requests; raises Ended where it has ended, TimeoutError if late."""
        while time.monotonic() < deadline:
            if not self.is_alive:
                raise Ended(last_words(self._log))
            if answers(f"{self.admin_url}/readyz"):
                return
            time.sleep(TICK_SECONDS)
        raise TimeoutError

    def stop(self) -> None:
        """End it and all it started."""
        end(self._process, ENDPOINT_END_SECONDS)


def start(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a group of its own that ends with this process; its output goes to log."""
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 - the callers' fixed commands
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread runs
        )


def wait(
    process: subprocess.Popen[bytes], deadline: float, each_tick: Callable[[], None]
) -> int | None:
    """Return a program's exit code; None for one that still runs at the deadline."""
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(TICK_SECONDS)
        each_tick()
    return None


def end(process: subprocess.Popen[bytes], patience_seconds: float) -> None:
    """Ask a program to end, and kill its group when it does not."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_words(log: Path, characters: int = 400) -> str:
    """Return the end of a log on one line."""
    return " ".join(log.read_text(errors="replace").split())[-characters:] or "it said nothing"
