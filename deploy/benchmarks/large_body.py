"""Measures what a body full of pictures does to the gateway: the longest pause, and the memory.

Run it from the repository's root: `python -m deploy.benchmarks.large_body`. Every pause is one in
which the gateway's loop served nobody else, in CPU time, so that other programs do not count;
memory is the peak above an idle gateway's, as a multiple of the body.
"""

import asyncio
import base64
import io
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvloop
from PIL import Image

from serving.catalogue import entry_for
from serving.gateway.app import create_app
from serving.gateway.server import Stop, serve
from serving.options import EngineSettings, GatewaySettings, Settings
from tests.fake_engine import UNARY, FakeEngine, whole

PICTURES = 8
ROUNDS = 7
LIMIT_SECONDS = 60.0


def body_of(megabytes: float) -> bytes:
    """Return a chat request with pictures of so many megabytes of base64 together."""
    side = math.isqrt(int(megabytes * 1e6 / PICTURES / 4))  # 3 bytes a pixel, 4 characters for them
    parts = []
    for _ in range(PICTURES):
        data = base64.b64encode(noise(side)).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
    return json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()


def noise(side: int) -> bytes:
    """Return a square PNG that cannot be compressed."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(buffer, "PNG")
    return buffer.getvalue()


def sink(socket_path: Path) -> None:
    """Answer everything at once."""
    FakeEngine(socket_path, default=whole(UNARY)).start()
    threading.Event().wait()


def gateway(socket_path: Path, pipe: multiprocessing.connection.Connection) -> None:
    """Serve, and answer each message in the pipe with the longest pause since the last one."""
    os.environ["XDG_STATE_HOME"] = str(socket_path.parent)  # a ledger of its own
    limits = GatewaySettings(port=0, admin_port=0, drain_seconds=0)
    settings = Settings(
        engine=EngineSettings(listen=str(socket_path)),
        gateway=limits,
    )

    async def work() -> None:
        longest = 0.0

        def report() -> None:
            nonlocal longest
            pipe.recv()
            pipe.send((longest, peak_bytes()))
            longest = 0.0

        asyncio.get_running_loop().add_reader(pipe.fileno(), report)
        app = create_app(settings, entry_for("tiny"))
        served = asyncio.create_task(serve(app, Stop(), lambda port, _: pipe.send(port)))
        while not served.done():
            before = time.thread_time()
            await asyncio.sleep(0.0005)
            longest = max(longest, time.thread_time() - before)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


def peak_bytes() -> int:
    """Return this process's peak resident memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024


async def post(port: int, body: bytes) -> bytes:
    """Send a body and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: "
    writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


def measure(megabytes: float, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median of the longest pauses in seconds, and the memory over the body's size."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    body = body_of(megabytes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.sock"
        parts = [
            spawn.Process(target=sink, args=(path,)),
            spawn.Process(target=gateway, args=(path, theirs)),
        ]
        try:
            for part in parts:
                part.start()
            port = ours.recv()
            time.sleep(1.5)
            ours.send(None)
            _, idle = ours.recv()
            pauses, peak = [], idle
            for _ in range(rounds):
                answer = asyncio.run(asyncio.wait_for(post(port, body), LIMIT_SECONDS))
                if b" 200 " not in answer.split(b"\r\n", 1)[0]:
                    raise SystemExit(answer.decode())
                ours.send(None)
                pause, peak = ours.recv()
                pauses.append(pause)
            return statistics.median(pauses), (peak - idle) / len(body)
        finally:
            for part in parts:
                part.kill()
                part.join()


if __name__ == "__main__":
    for size in (1, 20, 60):
        pause, memory = measure(size)
        sys.stdout.write(
            f"{size:3} MB of pictures: longest pause {pause * 1000:5.1f} ms of CPU, "
            f"peak memory {memory:.2f} x the body\n"
        )
