"""One gateway and one engine, each a process of its own, in a folder of their own."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from serving.ports import free_ports
from serving.settings import PREFIX, SHORT_NAMES
from tests.chaos.client import Client
from tests.chaos.paced_engine import Pace
from tests.chaos.wait import until

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 300.0
END_SECONDS: Final = 60.0
PR_SET_PDEATHSIG: Final = 1


@dataclass
class Site:
    """Where they live; `options` are environment variables for both."""

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self.admin_port = free_ports(2)
        self.client = Client(self.port)
        self.gateway: psutil.Popen | None = None
        self.engine: psutil.Popen | None = None
        self._started: list[psutil.Popen] = []

    @property
    def socket(self) -> Path:
        """Return the engine's socket."""
        return self.folder / "engine.sock"

    def environment(self) -> dict[str, str]:
        """Return the variables that every program here starts with."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) and name not in SHORT_NAMES
        }
        return kept | {
            "PORT": str(self.port),
            "ADMIN_PORT": str(self.admin_port),
            "PROFILE": "cpu",
            "MODEL": "tiny",
            "XDG_RUNTIME_DIR": str(self.folder),
            "XDG_STATE_HOME": str(self.folder),
            "SERVING_ENGINE__LISTEN": str(self.socket),
            **self.options,
        }

    def start(self, *arguments: str) -> psutil.Popen:
        """Start a module of Python as a process whose output goes to a file."""
        name = "-".join(Path(argument).name for argument in arguments[:2])
        with (self.folder / f"{name}.log").open("ab") as log:
            process = psutil.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._started.append(process)
        return process

    async def start_gateway(self) -> psutil.Popen:
        """Start the gateway, and return once it and its engine are ready."""
        self.gateway = gateway = self.start("serving", "gateway")
        await until(lambda: ended(gateway) or self.is_ready(), START_SECONDS)
        if ended(gateway):
            raise ChildProcessError(f"the gateway ended with {gateway.returncode}")
        return gateway

    async def start_paced(self, pace: Pace) -> psutil.Popen:
        """Start the scripted engine, and return once it listens."""
        self.engine = self.start("tests.chaos.paced_engine", str(self.socket), *pace.arguments())
        await until(self.socket.exists)
        return self.engine

    async def start_real(self) -> psutil.Popen:
        """Start the real engine; the gateway tells when it is ready."""
        self.engine = self.start("serving", "engine")
        return self.engine

    async def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a page of the admin port; status 0 where nobody answers."""
        return await _page(f"http://127.0.0.1:{self.admin_port}{path}")

    async def is_ready(self) -> bool:
        """Say whether the gateway takes requests."""
        return (await self.page("/readyz"))[0] == 200

    async def gateway_metric(self, name: str) -> float:
        """Return a metric of the gateway, summed over its labels."""
        return total((await self.page("/metrics"))[1], name)

    async def engine_metric(self, name: str) -> float:
        """Return a metric of the engine, asked of itself."""
        connector = aiohttp.UnixConnector(path=str(self.socket))
        return total((await _page("http://engine/metrics", connector))[1], name)

    def log(self) -> str:
        """Return the last words of what ran here."""
        logs = sorted(self.folder.rglob("*.log"))
        return "\n".join(f"{p.name}:\n{p.read_text(errors='replace')[-1500:]}" for p in logs)

    def end(self) -> None:
        """Kill whatever was started here and still runs."""
        self.client.close()
        for process in self._started:
            kill(process)


def _die_with_parent() -> None:
    """Ask the kernel to kill this child with its parent, so that a harness cut off leaves none."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it; none where it is gone."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def ended(process: psutil.Popen) -> bool:
    """Say whether a process started here has ended."""
    return process.poll() is not None


def kill(process: psutil.Popen) -> None:
    """Kill a process and all below it, stopped ones too, and wait for their ends."""
    members = family(process)
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    process.wait(END_SECONDS)
    psutil.wait_procs(members, END_SECONDS)


def total(page: str, name: str) -> float:
    """Add up a metric over its labels on a page of Prometheus' text form."""
    lines = (line for line in page.splitlines() if line.startswith((name + "{", name + " ")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@asynccontextmanager
async def open_site(**options: object) -> AsyncIterator[Site]:
    """Give a site with settings such as `gateway__drain_seconds`; all that runs there ends."""
    named = {f"SERVING_{name.upper()}": str(value) for name, value in options.items()}
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        site = Site(Path(folder), named)
        try:
            yield site
        except BaseException as error:
            error.add_note(site.log())
            raise
        finally:
            site.end()


@asynccontextmanager
async def paced_site(pace: Pace, **options: object) -> AsyncIterator[Site]:
    """Give a site with a gateway before a scripted engine, both ready."""
    async with open_site(engine__max_num_seqs=pace.slots, **options) as site:
        await site.start_paced(pace)
        await site.start_gateway()
        yield site


async def _page(url: str, connector: aiohttp.BaseConnector | None = None) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url) as response,
        ):
            return response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return 0, ""
