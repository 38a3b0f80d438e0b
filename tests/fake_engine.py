"""A scripted engine on a Unix socket: it plays faults, and records what it really sent and when.

It serves timing and fault tests only; whether answers are right is asked of the real engine.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL = "tiny-qwen3-vl"
MAX_MODEL_LEN = 16_384
# How long a thing that must happen is waited for; no verdict hangs on when it does.
WAIT_SECONDS = 60.0


@dataclass
class Recorded:
    """One request as it arrived, what was sent back when, and whether the client hung up."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> dict[str, Any]:
        """Return the body decoded."""
        return json.loads(self.body)

    def named(self, data: bytes) -> bytes:
        """Give an answer the id that vLLM makes of the request's."""
        kind = "chatcmpl" if "/chat/" in self.path else "cmpl"
        request_id = f'"id":"{kind}-{self.headers.get("x-request-id", "1")}"'
        return data.replace(b'"id":"chatcmpl-1"', request_id.encode())


class Wire:
    """The engine's side of one connection."""

    def __init__(self, writer: asyncio.StreamWriter, request: Recorded) -> None:
        self._writer = writer
        self.request = request

    async def send(self, data: bytes) -> None:
        """Send raw bytes, which are in the record before a reader can have them."""
        self.request.sent.append((time.perf_counter(), data))
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, status: int, content_type: str, length: int | None = None) -> None:
        """Send status and headers; without a length the body is chunked."""
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        await self.send(
            f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{size}\r\n\r\n".encode()
        )

    async def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; an empty one ends it."""
        data = self.request.named(data)
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()


Script = Callable[[Wire], Awaitable[None]]
Loop = Callable[[], asyncio.AbstractEventLoop]


class FakeEngine:
    """The engine, in a thread and an event loop of its own.

    Scripts given to `play` are used once each, in order; then the default plays. Questions for a
    prompt's length are recorded apart and answered by `tokenize`.
    """

    def __init__(
        self, socket_path: Path, default: Script | None = None, loop: Loop | None = None
    ) -> None:
        self.socket_path = socket_path
        self.default = default or stream(answer_events())
        self.tokenize = counted(100)
        self.requests: list[Recorded] = []
        self.counts: list[Recorded] = []
        self.metrics = {"running": 0, "waiting": 0, "iterations": 0}
        self.works = False  # every look at its metrics finds a running request further on
        self.deaf = False  # its pages are asked for and never come
        self.kv_cache_tokens: int | None = None  # what its metrics say, if anything
        self.model = MODEL
        self.version = "0.32.0"
        self._scripts: deque[Script] = deque()
        self._loop_factory = loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Event | None = None

    def play(self, *scripts: Script) -> None:
        """Queue scripts for the next requests."""
        self._scripts.extend(scripts)

    def reset(self) -> None:
        """Forget records and scripts."""
        self.requests.clear()
        self.counts.clear()
        self._scripts.clear()
        self.tokenize = counted(100)

    def start(self) -> None:
        """Listen; returns when connections are accepted."""
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()
        assert listening.wait(WAIT_SECONDS)

    def stop(self) -> None:
        """Close the socket and end the thread, as an engine that exits does."""
        if self._thread is not None and self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(WAIT_SECONDS)
            assert not self._thread.is_alive()
            self._thread = None

    def last(self) -> Recorded:
        """Return the newest request, waiting for the first one."""
        give_up = time.monotonic() + WAIT_SECONDS
        while not self.requests and time.monotonic() < give_up:
            time.sleep(0.01)
        return self.requests[-1]

    def _run(self, listening: threading.Event) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve(listening))

    async def _serve(self, listening: threading.Event) -> None:
        self._stopped = asyncio.Event()
        self.socket_path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(
            self._connection, str(self.socket_path), limit=2**27, backlog=2048
        )
        listening.set()
        await self._stopped.wait()
        server.close()
        self.socket_path.unlink(missing_ok=True)
        await asyncio.sleep(0.02)  # a connection just accepted becomes a task that can be ended
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed transports release their sockets

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            wire = Wire(writer, request)
            if request.method == "GET":
                await self._page(wire)
            elif request.path == "/tokenize":
                self.counts.append(request)
                await self.tokenize(wire)
            else:
                self.requests.append(request)
                await self._perform(reader, wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone: nothing is left to play
        finally:
            writer.close()

    async def _perform(self, reader: asyncio.StreamReader, wire: Wire) -> None:
        script = self._scripts.popleft() if self._scripts else self.default
        playing = asyncio.ensure_future(script(wire))
        watching = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait({playing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if playing not in done or isinstance(playing.exception(), ConnectionError):
            wire.request.hung_up.set()
        for task in (playing, watching):
            task.cancel()
        await asyncio.gather(playing, watching, return_exceptions=True)

    async def _page(self, wire: Wire) -> None:
        while self.deaf:  # noqa: ASYNC110  # it is set in another thread
            await asyncio.sleep(0.05)
        pages = {
            "/health": "",
            "/metrics": self._metrics_page(),
            "/v1/models": self._models_page(),
            "/version": json.dumps({"version": self.version}),
        }
        page = pages.get(wire.request.path, "")
        status = 200 if wire.request.path in pages else 404
        await wire.head(status, "text/plain", len(page))
        await wire.send(page.encode(errors="surrogateescape"))

    def _metrics_page(self) -> str:
        if self.works:
            self.metrics["running"] = 1
            self.metrics["iterations"] += 1
        cache = ""
        if self.kv_cache_tokens is not None:
            size = f'kv_cache_size_tokens="{self.kv_cache_tokens}"'
            cache = f'vllm:cache_config_info{{block_size="16",{size},engine="0"}} 1.0\n'
        label = f'{{engine="0",model_name="{self.model}"}}'
        return (
            f"vllm:num_requests_running{label} {self.metrics['running']:.1f}\n"
            f"vllm:num_requests_waiting{label} {self.metrics['waiting']:.1f}\n"
            f"vllm:iteration_tokens_total_count{label} {self.metrics['iterations']:.1f}\n{cache}"
        )

    def _models_page(self) -> str:
        card = {"id": self.model, "object": "model", "max_model_len": MAX_MODEL_LEN}
        return json.dumps({"object": "list", "data": [card]}, ensure_ascii=False)


async def _read_request(reader: asyncio.StreamReader) -> Recorded:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Recorded(method, path, headers, body)


def event(**fields: Any) -> bytes:
    """Write one chunk event the way vLLM does: compact, unset fields left out."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    text = json.dumps({**chunk, **fields}, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode() + b"\n\n"


def delta_event(finish_reason: str | None = None, **delta: Any) -> bytes:
    """Write a chunk with one choice."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return event(choices=[choice])


def usage_event(prompt: int = 11, completion: int = 5, reasoning: int = 3) -> bytes:
    """Write the last chunk, which holds the counts."""
    usage = {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return event(choices=[], usage=usage)


DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def answer_events(thought: str = "hm", answer: str = "red") -> list[bytes]:
    """Return the events of a short thought and answer, usage and end included."""
    return [
        delta_event(role="assistant", content=""),
        *(delta_event(reasoning=letter) for letter in thought),
        *(delta_event(content=letter) for letter in answer),
        delta_event(finish_reason="stop", content=""),
        usage_event(),
        DONE,
    ]


def stream(events: Sequence[bytes | float], pause_seconds: float = 0.0, end: bool = True) -> Script:
    """Stream events one chunk each, a number being a further pause in seconds.

    Without `end` the connection is reset after the last.
    """

    async def play(wire: Wire) -> None:
        await wire.head(200, "text/event-stream; charset=utf-8")
        for step in events:
            if isinstance(step, bytes):
                await wire.chunk(step)
            await asyncio.sleep(pause_seconds if isinstance(step, bytes) else step)
        if end:
            await wire.chunk(b"")
        else:
            wire.reset()

    return play


def held(events: list[bytes], go: threading.Event, rest: list[bytes]) -> Script:
    """Stream events, and the rest only when the test says so."""

    async def play(wire: Wire) -> None:
        await wire.head(200, "text/event-stream; charset=utf-8")
        for data in events:
            await wire.chunk(data)
        while not go.is_set():  # noqa: ASYNC110  # it is set in another thread
            await asyncio.sleep(0.01)
        for data in rest:
            await wire.chunk(data)
        await wire.chunk(b"")

    return play


def stall(events: list[bytes]) -> Script:
    """Send events, then nothing for ever."""

    async def play(wire: Wire) -> None:
        await wire.head(200, "text/event-stream; charset=utf-8")
        for data in events:
            await wire.chunk(data)
        await asyncio.Event().wait()

    return play


def slow_first_byte(seconds: float, then: Script) -> Script:
    """Wait before the status line."""

    async def play(wire: Wire) -> None:
        await asyncio.sleep(seconds)
        await then(wire)

    return play


def whole(body: bytes, status: int = 200) -> Script:
    """Answer at once and whole."""

    async def play(wire: Wire) -> None:
        answer = wire.request.named(body)
        await wire.head(status, "application/json", len(answer))
        await wire.send(answer)

    return play


def counted(tokens: int) -> Script:
    """Answer how long a prompt is."""
    return whole(json.dumps({"count": tokens, "max_model_len": MAX_MODEL_LEN}).encode())


def refusal(status: int, message: str, param: str | None = None) -> Script:
    """Answer with an error in vLLM's form."""
    error = {"message": message, "type": "BadRequestError", "param": param, "code": status}
    return whole(json.dumps({"error": error}).encode(), status)


def raw(data: bytes) -> Script:
    """Send bytes that need not be HTTP, then close."""

    async def play(wire: Wire) -> None:
        await wire.send(data)

    return play


UNARY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "reasoning": "hm", "content": "red"},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 5,
            "total_tokens": 16,
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    },
    separators=(",", ":"),
).encode()
