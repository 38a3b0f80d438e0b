"""The engine as the gateway sees it: one address, new connections, errors turned into ours."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import ClientTimeout

from serving.failure import StartError
from serving.gateway.body import Piece
from serving.gateway.errors import (
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    EngineUnavailable,
    GatewayError,
    Overloaded,
)
from serving.options import GatewaySettings

BUSY_SECONDS: Final = 2
RESTART_SECONDS: Final = 5
# How vLLM says that its queue is full; its other 503 answers mean that it is not well.
QUEUE_FULL: Final = ("currently busy", "backlog limit")
PROBE_SECONDS: Final = 5.0
MAX_MESSAGE: Final = 1000
# How vLLM words what has a code of its own here: sign, code, and our words where its own would
# quote pixels.
VERDICTS: Final = (
    ("maximum context length", "context_length_exceeded", None),
    ("longer than the maximum", "context_length_exceeded", None),
    ("Failed to load image", "image_parse_error", None),
    ("Failed to load video", "video_parse_error", None),
    (
        "Failed to apply",
        "media_parse_error",
        "A picture or video cannot be processed. Send it in another size or format.",
    ),
)


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
        self, path: str, body: Sequence[Piece], request_id: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; leaving the block early hangs up, which stops the generation.

        Raises EngineUnavailable, EngineTimeout, or what the engine's error status means.
        """
        headers = {
            "content-type": "application/json",
            "content-length": str(sum(map(len, body))),
            "x-request-id": request_id,
        }
        with _translated():
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

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the engine's session is not open")
        return self._session


def engine_error(status: int, body: bytes) -> GatewayError:
    """Turn an error of the engine into ours, its field and message kept."""
    said = _said(body)
    message = str(said.get("message") or "The engine refused the request without a reason.")
    if status == 503:
        if any(sign in message for sign in QUEUE_FULL):
            return Overloaded(
                "The server is busy. Please try again later.", retry_after_seconds=BUSY_SECONDS
            )
        return EngineUnavailable(message, retry_after_seconds=RESTART_SECONDS)
    if status == 429:
        return Overloaded(message, retry_after_seconds=BUSY_SECONDS)
    if status in {401, 403} or not 400 <= status < 500:
        return EngineFailed(f"The engine failed (status {status}): {message}")
    shown, param = message[:MAX_MESSAGE], _word(said.get("param"))
    for sign, code, ours in VERDICTS:
        if sign in message:
            return EngineRefused(400, ours or shown, code=code, param=param or "messages")
    return EngineRefused(status, shown, code=_word(said.get("code")), param=param)


def event_error(event: bytes) -> GatewayError:
    """Turn an error event within a stream into ours."""
    code = _said(event).get("code")
    return engine_error(code if isinstance(code, int) else 500, event)


def unreachable() -> EngineUnavailable:
    """Return the error for an engine that is not there."""
    return EngineUnavailable(
        "The model is not available at the moment: its engine is starting or restarting.",
        retry_after_seconds=RESTART_SECONDS,
    )


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


def _said(body: bytes) -> dict[str, Any]:
    """Find the engine's error object in the forms it has."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
