"""The engine as the gateway sees it: one address, new connections, errors turned into ours."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp
import msgspec
from aiohttp import ClientTimeout

from serving.failure import StartError
from serving.gateway.body import Piece
from serving.gateway.errors import (
    EngineFailed,
    EngineTimeout,
)
from serving.gateway.refusal import engine_error, unreachable
from serving.options import GatewaySettings

PROBE_SECONDS: Final = 5.0


class Engine:
    """HTTP to the engine over its Unix socket, or over loopback TCP for debugging.

    Every request opens a connection of its own: that is cheap on one machine, an engine that
    comes back is found at once, and no request meets a connection that is about to close.
    """

    def __init__(self, listen: str, gateway: GatewaySettings) -> None:
        self.listen = listen
        self._gateway = gateway
        self._base = _base_url(listen)
        self._session: aiohttp.ClientSession | None = None
        self.in_flight = 0

    async def open(self) -> None:
        """Create the session; needs a running loop."""
        self._session = aiohttp.ClientSession(
            connector=_connector(self.listen),
            timeout=ClientTimeout(total=None, sock_connect=self._gateway.connect_timeout_seconds),
            auto_decompress=False,
            # aiohttp buffers twice this; with the client's side it makes stream_buffer_bytes.
            read_bufsize=max(1024, self._gateway.stream_buffer_bytes // 4),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the session and what is still open on it."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def post(
        self,
        path: str,
        body: Sequence[Piece],
        request_id: str,
        *,
        trace: Mapping[str, str] | None = None,
        computes: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; leaving the block early hangs up, which stops the generation.

        `trace` are headers that say where it stands in a trace. `in_flight` counts those that
        `computes` says are for the engine's core. Raises EngineUnavailable, EngineTimeout, or what
        the engine's error status means.
        """
        headers = {
            "content-type": "application/json",
            "content-length": str(sum(map(len, body))),
            "x-request-id": request_id,
            **(trace or {}),
        }
        with _translated(), self._counted(int(computes)):
            response = await self._open_session().post(
                self._base + path, data=_pieces(body), headers=headers
            )
            try:
                if response.status != 200:
                    raise engine_error(response.status, await response.read())
                yield response
            finally:
                response.close()

    async def get(self, path: str) -> tuple[int, bytes, str]:
        """Return status, body and content type of a small page; raises like `post`."""
        timeout = ClientTimeout(total=PROBE_SECONDS)
        with _translated():
            async with self._open_session().get(self._base + path, timeout=timeout) as response:
                return response.status, await response.read(), response.content_type

    @contextmanager
    def _counted(self, count: int) -> Iterator[None]:
        self.in_flight += count
        try:
            yield
        finally:
            self.in_flight -= count

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the engine's session is not open")
        return self._session


class _translated:
    """Turns errors of the way to the engine and of what it says into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case aiohttp.ConnectionTimeoutError():
                raise EngineTimeout(
                    "The engine did not accept the connection in time (phase: connect)."
                ) from None
            case TimeoutError():
                raise EngineTimeout("The engine did not answer in time.") from None
            case aiohttp.ClientPayloadError():
                raise EngineFailed("The engine broke off in the middle of its answer.") from None
            case aiohttp.ClientConnectionError() | OSError():
                raise unreachable() from None
            case msgspec.DecodeError() | UnicodeDecodeError():
                raise EngineFailed("The engine answered something that cannot be read.") from None
            case aiohttp.ClientError():
                raise EngineFailed("The engine answered something that is not HTTP.") from None


def _base_url(listen: str) -> str:
    if not listen.startswith("tcp://"):
        return "http://engine"
    if not listen.startswith(("tcp://127.0.0.1:", "tcp://[::1]:", "tcp://localhost:")):
        raise StartError(
            f"engine.listen {listen} leaves this machine.",
            "Give the path of a Unix socket, or tcp://127.0.0.1:PORT.",
        )
    return "http://" + listen.removeprefix("tcp://")


def _connector(listen: str) -> aiohttp.BaseConnector:
    if listen.startswith("tcp://"):
        return aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.UnixConnector(path=listen, limit=0, force_close=True)


async def _pieces(body: Sequence[Piece], size: int = 2**18) -> AsyncIterator[bytes]:
    for piece in body:
        view = memoryview(piece)
        for start in range(0, len(view), size):
            yield bytes(view[start : start + size])
