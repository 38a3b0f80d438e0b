"""The ports and the control socket in one process: connections, signals and the way out."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvloop

from serving.catalogue import ModelEntry
from serving.failure import Ended
from serving.gateway.app import Gateway, create_app
from serving.gateway.control import control_listener
from serving.gateway.descriptors import bearable_connections
from serving.gateway.http_server import Server
from serving.gateway.listeners import bind
from serving.logs import describe, log_loop_fault
from serving.options import Settings

logger = logging.getLogger(__name__)

# Of the admin port and of the control socket, beside the clients of the API.
OWN_CONNECTIONS: Final = 32


def run(settings: Settings, entry: ModelEntry) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    The first signal drains and ends with 0, a second one ends at once with 128 + its number.
    Raises StartError where the configuration or an address cannot be served.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, entry))


async def _run(settings: Settings, entry: ModelEntry) -> int:
    asyncio.get_running_loop().set_exception_handler(log_loop_fault)
    gateway = create_app(settings, entry)
    # What lives for ever is not looked at again: a full collection would hold all streams up.
    gc.collect()
    gc.freeze()
    stop = Stop()
    with stop.on_signals():
        await serve(gateway, stop)
    return stop.exit_code


class Stop:
    """The wish to end: first gently, then at once."""

    def __init__(self) -> None:
        self.wished = asyncio.Event()
        self.hurried = asyncio.Event()
        self.exit_code = 0

    def request(self, number: int) -> None:
        """Note a signal."""
        if self.wished.is_set():
            self.exit_code = 128 + number
            self.hurried.set()
        self.wished.set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as requests within the block."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.request, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def serve(
    gateway: Gateway, stop: Stop, started: Callable[[int, int], None] | None = None
) -> None:
    """Serve both ports and the control socket until `stop`.

    `started` is told the ports once all are open.
    """
    with control_listener(gateway.control_path) as control:
        listeners = [*bind(gateway.settings), control]
        async with gateway:
            tasks, servers = _start(gateway, listeners)
            ports = [listener.getsockname()[1] for listener in listeners[:2]]
            logger.info("listening on %s port %d, admin port %d", gateway.settings.host, *ports)
            if started is not None:
                started(*ports)
            await _until_stopped(gateway, stop)
            await _drain(gateway, stop)
            for server in servers:
                server.should_exit = True
                server.force_exit = stop.hurried.is_set()
            await asyncio.gather(*tasks)


def _start(
    gateway: Gateway, listeners: list[socket.socket]
) -> tuple[list[asyncio.Task[None]], list[Server]]:
    limits = gateway.settings
    clients = bearable_connections(limits.max_connections)
    api = Server(gateway, limits, max_connections=clients, certificate=gateway.certificate)
    own = [
        Server(app, limits, max_connections=OWN_CONNECTIONS)
        for app in (gateway.admin, gateway.control)
    ]
    servers = [api, *own]
    pairs = zip(servers, listeners, strict=True)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in pairs]
    return tasks, servers


async def _until_stopped(gateway: Gateway, stop: Stop) -> None:
    """Wait for a signal; background work that fails ends the process with its traceback."""
    wish = asyncio.create_task(stop.wished.wait())
    done, _ = await asyncio.wait({wish, *gateway.background}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if (error := task.exception()) is not None:
            logger.error("background work failed: %s", describe(error))
            raise Ended("The gateway's background work failed.", "Its log says where.")


async def _drain(gateway: Gateway, stop: Stop) -> None:
    drain = asyncio.create_task(gateway.drain())
    hurry = asyncio.create_task(stop.hurried.wait())
    await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not drain.done():
        gateway.cut_off()
        await drain
