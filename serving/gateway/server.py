"""Both ports of the gateway in one process: sockets, connections, signals and the way out."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.catalogue import ModelEntry
from serving.failure import StartError
from serving.gateway.app import Gateway, create_app
from serving.options import GatewaySettings, Settings

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES: Final = 64 * 1024
# Longer than the pauses of usual clients, so that they, not we, end an idle connection.
KEEP_ALIVE_SECONDS: Final = 75
# What is left of connections after the drain: an error event on its way, an idle keep-alive.
LAST_WORDS_SECONDS: Final = 3


def run(settings: Settings, entry: ModelEntry) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    The first signal drains and ends with 0, a second one ends at once with 128 + its number.
    Raises StartError where the configuration or an address cannot be served.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, entry))


async def _run(settings: Settings, entry: ModelEntry) -> int:
    gateway = create_app(settings, entry)
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
    """Serve both ports until `stop`; `started` is told the ports once both are open."""
    limits = gateway.settings
    sockets = bind(limits)
    servers = [Server(_config(gateway, limits)), Server(_config(gateway.admin, limits))]
    async with gateway:
        tasks = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in zip(servers, sockets, strict=True)
        ]
        ports = [listener.getsockname()[1] for listener in sockets]
        logger.info("listening on %s port %d, admin port %d", limits.host, *ports)
        if started is not None:
            started(*ports)
        await _until_stopped(gateway, stop)
        await _drain(gateway, stop)
        for server in servers:
            server.should_exit = True
            server.force_exit = stop.hurried.is_set()
        await asyncio.gather(*tasks)


async def _until_stopped(gateway: Gateway, stop: Stop) -> None:
    """Wait for a signal; background work that fails ends the process with its traceback."""
    wish = asyncio.create_task(stop.wished.wait())
    done, _ = await asyncio.wait({wish, *gateway.background}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _drain(gateway: Gateway, stop: Stop) -> None:
    drain = asyncio.create_task(gateway.drain(gateway.settings.drain_seconds))
    hurry = asyncio.create_task(stop.hurried.wait())
    await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not drain.done():
        gateway.cut_off()
        await drain


def bind(gateway: GatewaySettings) -> list[socket.socket]:
    """Open the API port and the admin port; raises StartError naming the one that fails."""
    opened: list[socket.socket] = []
    try:
        for option in ("port", "admin_port"):
            opened.append(_listener(gateway.host, getattr(gateway, option), option))
    except StartError:
        for listener in opened:
            listener.close()
        raise
    return opened


def _listener(host: str, port: int, option: str) -> socket.socket:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = infos[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"Port {port} on {host} (gateway.{option}) is taken by another program.",
                f"Stop that program or set {option.upper()} to another port.",
            ) from None
        raise StartError(
            f"The gateway cannot listen on {host} port {port} (gateway.{option}): "
            f"{error.strerror or error}.",
            f"Change gateway.host or gateway.{option}.",
        ) from None


class Connection(HttpToolsProtocol):
    """A connection whose headers come in time and in size, and that no client holds for ever."""

    limits: GatewaySettings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Bound what the client may leave unread, and wait for headers."""
        super().connection_made(transport)
        self.access_log = False  # the gateway writes its own, without paths
        transport.set_write_buffer_limits(high=max(1024, self.limits.stream_buffer_bytes // 2))
        self._header_bytes = 0
        self._end: asyncio.TimerHandle | None = None
        self._end_in(self.limits.header_timeout_seconds)

    def data_received(self, data: bytes) -> None:
        """Bound what comes between bodies: headers, but trailers and framing too."""
        self._header_bytes += len(data)
        super().data_received(data)
        if self._header_bytes > MAX_HEADER_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Start the clock for a further request of a kept connection."""
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort
        if self._end is None:
            self._end_in(self.limits.header_timeout_seconds)

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._go_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Start to count anew."""
        self._header_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self._go_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the clock for the rest of a refused body, or of an answer that is not read."""
        super().on_response_complete()
        if self.transport.is_closing() or (self.cycle.response_complete and self.cycle.more_body):
            self._end_in(self.limits.stalled_reader_seconds)

    def timeout_keep_alive_handler(self) -> None:
        """Drop an idle connection with what its reader has left unread."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._go_on()
        super().connection_lost(exc)

    def _end_in(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _go_on(self) -> None:
        self._header_bytes = 0
        if self._end is not None:
            self._end.cancel()
            self._end = None


class Server(uvicorn.Server):
    """uvicorn without signal handlers: signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def _config(app: Any, limits: GatewaySettings) -> uvicorn.Config:
    connection = type("Connection", (Connection,), {"limits": limits})
    return uvicorn.Config(
        app,
        http=connection,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_WORDS_SECONDS,
    )
