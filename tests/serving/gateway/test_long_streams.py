"""Answers that take minutes, and hundreds at a time: nothing cuts them and nothing mixes them."""

import asyncio
import json
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fake_engine import (
    DONE,
    UNARY,
    WAIT_SECONDS,
    Wire,
    delta_event,
    slow_first_byte,
    stream,
    usage_event,
    whole,
)

MINUTES = 400.0
STREAMS = 300
FILES = 5 * STREAMS  # two ends of two connections each, and some


def test_400_seconds_streamed_and_whole(start_fast):
    """A long thought arrives to its last letter; a whole answer may take as long to begin."""
    patient = dict.fromkeys(("idle_timeout_seconds", "stalled_reader_seconds"), 10 * MINUTES)
    engine, gateway = start_fast(**patient)
    events = [delta_event(reasoning=f"{n} ") for n in range(100)]
    last = [delta_event(content="red"), delta_event("stop", content=""), usage_event(), DONE]
    engine.play(stream([step for event in events for step in (event, MINUTES / 100)] + last))
    with ThreadPoolExecutor() as pool:
        streamed = pool.submit(gateway.chat, stream=True)
        assert engine.last().path == "/v1/chat/completions"
        engine.play(slow_first_byte(MINUTES, whole(UNARY)))
        answer = pool.submit(gateway.chat)
        body, response = streamed.result().body, answer.result()
    thoughts = [
        json.loads(block[6:])["choices"][0]["delta"].get("reasoning", "")
        for block in body.split(b"\n\n")
        if b'"reasoning":"' in block
    ]
    assert "".join(thoughts).split() == [str(n) for n in range(100)]
    assert body.endswith(DONE)
    assert (response.status, response.json["choices"][0]["message"]["content"]) == (200, "red")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow for so many connections within one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def asked(port: int, name: str) -> bytes:
    """Ask for a stream and read it to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"messages": [{"role": "user", "content": name}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    return answer


def test_300_streams_at_once_are_whole_and_apart(engine, start_gateway, many_files):
    """All are open before one of them goes on; each gets its own answer."""
    gateway = start_gateway(max_running_requests=STREAMS)
    gateway.wait_ready()
    go = threading.Event()

    async def play(wire: Wire) -> None:
        name = wire.request.json["messages"][0]["content"]
        await wire.head(200, "text/event-stream")
        await wire.chunk(delta_event(reasoning=f"about {name}"))
        while not go.is_set():  # noqa: ASYNC110  # it is set in another thread
            await asyncio.sleep(0.05)
        for letter in name:
            await wire.chunk(delta_event(content=letter))
        for event in (delta_event("stop", content=""), usage_event(), DONE):
            await wire.chunk(event)
        await wire.chunk(b"")

    async def ask_all() -> list[bytes]:
        async with asyncio.timeout(2 * WAIT_SECONDS):
            return await asyncio.gather(*(asked(gateway.port, str(n)) for n in range(STREAMS)))

    engine.play(*[play] * STREAMS)
    with ThreadPoolExecutor() as pool:
        answers = pool.submit(asyncio.run, ask_all())
        while len(engine.requests) < STREAMS and not answers.done():
            go.wait(0.02)
        open_at_once = int(gateway.metric("gateway_requests_running"))
        go.set()
        bodies = answers.result()
    assert open_at_once == STREAMS
    for number, body in enumerate(bodies):
        blocks = [part.partition(b"}]}")[0] + b"}]}" for part in body.split(b"data: ")[1:-1]]
        deltas = [json.loads(block)["choices"][0]["delta"] for block in blocks]
        assert deltas[0]["reasoning"] == f"about {number}"
        assert "".join(delta.get("content", "") for delta in deltas) == str(number)
        assert b"[DONE]" in body
