"""The workers: each real, each limited, and each lost one replaced at the cost of one request."""

import asyncio
import base64
import math
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.gateway.errors import InternalError, Overloaded
from serving.gateway.inspection import pool as pool_module
from serving.gateway.inspection.finding import Refused
from serving.gateway.inspection.pool import InspectionPool
from serving.options import GatewaySettings
from tests.fake_engine import WAIT_SECONDS
from tests.hostile.pictures import drawn, png
from tests.hostile.videos import filmed

SMALL = base64.b64encode(drawn("PNG"))
LARGE = base64.b64encode(drawn("WEBP", (4096, 4096)))
FOUND = {"width": 33, "height": 21}
MIB = 2**20


def with_pool(work: Callable[[InspectionPool], Awaitable[Any]], **limits: Any) -> Any:
    """Run some work with a pool, and end its workers; none is left."""

    async def running() -> Any:
        pool = InspectionPool(GatewaySettings(**{"media_timeout_seconds": WAIT_SECONDS, **limits}))
        try:
            return await work(pool)
        finally:
            pool.close()
            assert all(process.returncode is not None for process in pool._ending)

    return asyncio.run(running())


def seen(pool: InspectionPool, name: str) -> str:
    """Return what the system shows of the idle worker."""
    return Path(f"/proc/{pool._idle[0].process.pid}/{name}").read_text()


async def verdict(pool: InspectionPool, form: str, file: bytes) -> str | None:
    """Return the code that a file is refused with, None where it is not."""
    try:
        await pool.look(form, file)
    except Refused as refused:
        return refused.code
    return None


def test_pictures_and_videos_are_looked_into():
    """One worker does both, and is started by the first file."""

    async def work(pool: InspectionPool) -> None:
        before = len(pool._idle)
        assert await pool.look("PNG", SMALL) == FOUND
        assert (await pool.look("MP4", base64.b64encode(filmed())))["frames"] == 8
        assert (before, len(pool._idle)) == (0, 1)

    with_pool(work)


def test_a_worker_imports_nothing_large():
    """It starts at once and is small: no framework, no engine, not the rest of the gateway."""
    program = "import sys; import serving.gateway.inspection.worker; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    modules = set(names.decode().split())
    large = {"vllm", "torch", "numpy", "av", "pydantic", "aiohttp", "asyncio", "serving.options"}
    assert not modules & large


def test_no_more_workers_than_allowed_serve_many_files():
    """They take turns."""

    async def work(pool: InspectionPool) -> None:
        found = await asyncio.gather(*[pool.look("PNG", SMALL) for _ in range(20)])
        assert found == [FOUND] * 20
        assert len(pool._idle) == 3

    with_pool(work, media_workers=3)


@pytest.mark.parametrize(
    ("memory_bytes", "code"),
    [pytest.param(64 * MIB, "{}_too_large", id="too little"), pytest.param(512 * MIB, None)],
)
def test_memory_is_limited(memory_bytes, code):
    """A file that takes more costs its own request alone; the next finds a new worker."""
    file = base64.b64encode(drawn("JPEG") + bytes(40 * MIB))

    async def work(pool: InspectionPool) -> None:
        for _ in range(3):
            assert await verdict(pool, "JPEG", file) == code
            assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_worker_memory_bytes=memory_bytes, media_workers=1)


def test_a_bomb_stays_within_the_limit():
    """However far a file unpacks, its worker's memory at its highest is known."""
    bomb = base64.b64encode(png(64, 64, packed=zlib.compress(bytes(128 * MIB), 9)))

    async def work(pool: InspectionPool) -> int:
        assert await verdict(pool, "PNG", bomb) == "{}_too_large"
        return int(seen(pool, "status").partition("VmHWM:")[2].split()[0]) * 1024

    assert with_pool(work) < 64 * MIB


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU])
def test_a_worker_that_dies_at_work_costs_one_request(how):
    """It is replaced, and waited for."""

    async def work(pool: InspectionPool) -> None:
        await pool.look("PNG", SMALL)
        pid = pool._idle[0].process.pid
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(verdict(pool, "PNG", SMALL))
        await asyncio.sleep(0.05)
        os.kill(pid, how)
        os.kill(pid, signal.SIGCONT)
        assert await asked == "{}_parse_error"
        assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_workers=1)


def test_a_worker_that_was_killed_while_idle_costs_nothing():
    """The file that comes next is not to blame."""

    async def work(pool: InspectionPool) -> None:
        await pool.look("PNG", SMALL)
        process = pool._idle[0].process
        process.kill()
        process.wait()
        assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work)


def test_a_worker_that_hangs_is_given_up():
    """A request waits no longer than the limit, and the next is served."""

    async def work(pool: InspectionPool) -> None:
        await pool.look("PNG", SMALL)
        os.kill(pool._idle[0].process.pid, signal.SIGSTOP)
        pool._seconds = 0.2
        assert await verdict(pool, "PNG", SMALL) == "{}_too_large"
        pool._seconds = WAIT_SECONDS
        assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_workers=1)


def test_who_waits_too_long_for_a_worker_is_told_to_come_again():
    """The file is not to blame: 429, when to retry, and nothing is left behind."""

    async def work(pool: InspectionPool) -> None:
        await pool.look("PNG", SMALL)
        os.kill(pool._idle[0].process.pid, signal.SIGSTOP)
        first = asyncio.create_task(pool.look("PNG", SMALL))
        await asyncio.sleep(0)
        pool._seconds = 0.2
        with pytest.raises(Overloaded) as refused:
            await pool.look("PNG", SMALL)
        assert refused.value.retry_after_seconds
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        pool._seconds = WAIT_SECONDS
        assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_workers=1)


def test_a_request_that_ends_leaves_no_answer_to_the_next():
    """The worker that was asked is not asked again."""

    async def work(pool: InspectionPool) -> None:
        await pool.look("PNG", SMALL)
        for _ in range(5):
            task = asyncio.create_task(pool.look("WEBP", LARGE))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_workers=1)


def test_a_worker_that_does_not_start_is_a_fault_of_ours(monkeypatch):
    """Nobody's picture is called damaged for it."""
    monkeypatch.setattr(pool_module, "PROGRAM", "serving.no_such_program")

    async def work(pool: InspectionPool) -> None:
        with pytest.raises(InternalError):
            await pool.look("PNG", SMALL)

    with_pool(work)


def test_a_worker_that_cannot_be_made_is_a_fault_of_ours(monkeypatch):
    """The system has no process, file or program left; nothing stays open, the next is served."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    async def work(pool: InspectionPool) -> None:
        for _ in range(3):
            before = psutil.Process().num_fds()
            with pytest.raises(InternalError, match="cannot look into pictures"):
                await pool.look("PNG", SMALL)
            assert psutil.Process().num_fds() == before
        monkeypatch.undo()
        assert await pool.look("PNG", SMALL) == FOUND

    with_pool(work, media_workers=1)


GATEWAY = """
import asyncio, sys
from serving.gateway.inspection.pool import InspectionPool
from serving.options import GatewaySettings

async def main():
    pool = InspectionPool(GatewaySettings())
    await pool.look("PNG", sys.argv[1].encode())
    print(pool._idle[0].process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_workers_end_with_a_gateway_that_is_killed():
    """Nothing is left of it, though it could not say goodbye."""
    with subprocess.Popen(
        [sys.executable, "-c", GATEWAY, SMALL.decode()], stdout=subprocess.PIPE
    ) as gateway:
        assert gateway.stdout is not None
        worker = Path("/proc", gateway.stdout.readline().decode().strip())
        assert worker.exists()
        gateway.kill()
    give_up = time.monotonic() + WAIT_SECONDS
    while worker.exists() and "\nState:\tZ" not in (worker / "status").read_text():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_worker_knows_no_secret(monkeypatch):
    """What decodes a stranger's file has nothing of the environment but the path of its modules."""
    monkeypatch.setenv("SERVING_SECRET", "canary")

    async def work(pool: InspectionPool) -> str:
        await pool.look("PNG", SMALL)
        return seen(pool, "environ")

    environment = with_pool(work)
    assert environment.startswith("PYTHONPATH=")
    assert environment.count("\0") == 1


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("Max address space", str(512 * MIB)),
        ("Max open files", "16"),
        ("Max core file size", "0"),
        ("Max cpu time", str(math.ceil(WAIT_SECONDS) + 1)),
    ],
)
def test_the_system_holds_a_worker_to_its_limits(limit, value):
    """Whatever a decoder is talked into; the time is that of one file, from when it was asked."""

    async def work(pool: InspectionPool) -> str:
        await pool.look("PNG", SMALL)
        return seen(pool, "limits")

    limits = with_pool(work, media_worker_memory_bytes=512 * MIB)
    [line] = [line for line in limits.splitlines() if line.startswith(limit)]
    assert line.removeprefix(limit).split()[0] == value
