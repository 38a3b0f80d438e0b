"""The control socket: `serving drain` asks here, and hears how many requests are left."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from serving.engine.socket import GATEWAY, parse, take
from serving.gateway.answer_headers import with_security
from serving.gateway.drain import Report
from serving.gateway.envelope import openai
from serving.gateway.errors import GatewayError, MethodNotAllowed, NotFound
from serving.gateway.exchange import Receive, Scope, Send
from serving.options import Settings, run_folder

NAME: Final = "control.sock"
DRAIN: Final = "/drain"
PROGRESS_SECONDS: Final = 0.25


def control_path(settings: Settings) -> Path:
    """Return the socket's path: as configured, or beside the engine's own."""
    if settings.gateway.control_socket is not None:
        return settings.gateway.control_socket.absolute()
    engine = parse(settings.engine.listen)
    return engine.with_name(NAME) if isinstance(engine, Path) else run_folder() / NAME


@contextmanager
def control_listener(path: Path) -> Iterator[socket.socket]:
    """Listen on a private socket within the block; raises StartError where it cannot be had."""
    lock = take(path, GATEWAY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            yield listener
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


class Control:
    """An ASGI application for this user's own commands; POST /drain begins or joins a drain.

    The answer is a line of JSON, a `Report`, every quarter of a second until the drain is over. It
    goes on without a listener.
    """

    def __init__(self, begin: Callable[[], None], report: Callable[[], Report]) -> None:
        self._begin = begin
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the control socket."""
        try:
            if scope["path"] != DRAIN:
                raise NotFound(f"This socket has {DRAIN}.", code="unknown_url")
            if scope["method"] != "POST":
                raise MethodNotAllowed("Use POST.", "POST")
        except GatewayError as error:
            headers = with_security([(b"content-type", b"application/json")], tls=False)
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            await send({"type": "http.response.body", "body": openai(error, "")})
            return
        self._begin()
        headers = with_security([(b"content-type", b"application/x-ndjson")], tls=False)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        over = False
        while not over:
            report = self._report()
            over = report.is_over
            line = msgspec.json.encode(report) + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": not over})
            if not over:
                await asyncio.sleep(PROGRESS_SECONDS)
