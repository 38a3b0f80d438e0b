"""Measures what a relayed stream event costs the gateway: CPU microseconds, for 8 and 64 streams.

Run it from the repository's root: `python -m deploy.benchmarks.relay_cost`. The event source, the
gateway and the client are processes of their own, so that only the gateway's time is counted. A
busy machine makes the figure larger; compare only runs made side by side.
"""

import asyncio
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from serving.catalogue import entry_for
from serving.gateway.server import run
from serving.options import EngineSettings, GatewaySettings, Settings
from tests.fake_engine import FakeEngine, Wire, delta_event

STREAMS = (8, 64)
# Over all streams together; at this pace the gateway is not the bottleneck.
EVENTS_PER_SECOND = 1600
SETTLE_SECONDS = 1.0
MEASURE_SECONDS = 4.0
LIMIT_SECONDS = 20.0
BODY = b'{"messages": [{"role": "user", "content": "hi"}], "stream": true}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)


def source(socket_path: Path, streams: int) -> None:
    """Stream thoughts without end, an event at a time, at the total pace."""
    thought, pause = delta_event(reasoning=" word"), streams / EVENTS_PER_SECOND

    async def play(wire: Wire) -> None:
        await wire.head(200, "text/event-stream; charset=utf-8")
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await wire.chunk(thought)
            due += pause
            await asyncio.sleep(due - loop.time())

    FakeEngine(socket_path, default=play).start()
    threading.Event().wait()


def gateway(socket_path: Path, port: int) -> None:
    """Serve on the given port."""
    ports = GatewaySettings(port=port, admin_port=0, drain_seconds=0)
    os.environ["XDG_STATE_HOME"] = str(socket_path.parent)  # a ledger of its own
    run(Settings(engine=EngineSettings(listen=str(socket_path)), gateway=ports), entry_for("tiny"))


async def microseconds_per_event(process: psutil.Process, port: int, streams: int) -> float:
    """Read streams for a while; return the process's user and system time per event."""
    events, flowing = 0, asyncio.Event()

    async def read() -> None:
        nonlocal events
        reader, writer = await connected(port)
        writer.write(HEAD + BODY)
        try:
            while piece := await reader.read(65536):
                events += piece.count(b"data: ")
                flowing.set()
        finally:
            writer.close()

    readers = [asyncio.create_task(read()) for _ in range(streams)]
    await flowing.wait()
    await asyncio.sleep(SETTLE_SECONDS)
    before, seen = process.cpu_times(), events
    await asyncio.sleep(MEASURE_SECONDS)
    after, seen = process.cpu_times(), events - seen
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    return 1e6 * (after.user + after.system - before.user - before.system) / seen


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, waiting for the gateway to listen."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


def measure(streams: int) -> float:
    """Run one source, one gateway and one client."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        path, port = Path(folder) / "engine.sock", probe.getsockname()[1]
        probe.close()
        parts = [
            spawn.Process(target=source, args=(path, streams)),
            spawn.Process(target=gateway, args=(path, port)),
        ]
        try:
            for part in parts:
                part.start()
            while not path.exists():
                parts[0].join(0.05)
            client = microseconds_per_event(psutil.Process(parts[1].pid), port, streams)
            return asyncio.run(asyncio.wait_for(client, LIMIT_SECONDS / len(STREAMS)))
        finally:
            for part in parts:
                part.kill()
                part.join()


if __name__ == "__main__":
    for count in STREAMS:
        sys.stdout.write(f"{count:3} streams: {measure(count):6.1f} µs of CPU an event\n")
