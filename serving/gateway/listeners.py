"""The two ports of the gateway, opened; loaded also by who only looks whether they are free."""

import errno
import socket

from serving.failure import StartError
from serving.options import GatewaySettings


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
