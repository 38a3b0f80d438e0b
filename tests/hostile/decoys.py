"""Listeners on every loopback address that a gateway must not connect to; they count who does."""

import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

HOSTS = ("127.0.0.1", "127.0.0.2", "::1")


class Decoys:
    """One port on several loopback addresses; `connections` names who was reached.

    with Decoys() as decoys:
        ...  # send requests with URLs that lead to decoys.port
        assert decoys.connections == []
    """

    def __init__(self, hosts: Sequence[str] = HOSTS) -> None:
        self._hosts = hosts
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.connections: list[str] = []
        self.port = 0

    def __enter__(self) -> Self:
        """Listen."""
        for host in self._hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, self.port), family=family)
            self.port = listener.getsockname()[1]
            self._listeners.append(listener)
            thread = threading.Thread(target=self._count, args=(listener, host), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join()

    def _count(self, listener: socket.socket, host: str) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(host)
            connection.close()
