"""uvicorn as this gateway needs it: no signals, connections of our own, TLS that reloads."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from serving.gateway.connection import Connection
from serving.gateway.tls import Certificate
from serving.options import GatewaySettings

# Longer than the pauses of usual clients, so that they, not we, end an idle connection.
KEEP_ALIVE_SECONDS: Final = 75
# What is left of connections after the drain: an error event on its way, an idle keep-alive.
LAST_WORDS_SECONDS: Final = 3


class Server(uvicorn.Server):
    """uvicorn without signal handlers, with bounds on a TLS handshake and on its end."""

    def __init__(
        self,
        app: Any,
        limits: GatewaySettings,
        *,
        max_connections: int,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(_config(app, limits, max_connections))
        self._limits = limits
        self._certificate = certificate

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on open sockets."""
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if self._certificate is not None:
            options = {
                "ssl": self._certificate.context,
                "ssl_handshake_timeout": self._limits.header_timeout_seconds,
                "ssl_shutdown_timeout": self._limits.stalled_reader_seconds,
            }
        self.servers = [
            await loop.create_server(
                self._connection, sock=listener, backlog=self.config.backlog, **options
            )
            for listener in sockets or ()
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take leave of clients, and drop those that leave no time for it: TLS has a farewell."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _connection(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        connection: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection


def _config(app: Any, limits: GatewaySettings, max_connections: int) -> uvicorn.Config:
    own = {"limits": limits, "max_connections": max_connections}
    return uvicorn.Config(
        app,
        http=type("Connection", (Connection,), own),
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
