"""The end of the endpoint; runs after every other test here."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import httpx
import openai

from tests.engine.conftest import ANSWER_SECONDS, ROOT, variables

TOKENS = 1500  # some seconds of generation on two cores, more than a command takes to start


def begin(client: openai.OpenAI) -> tuple[openai.Stream[Any], list[Any]]:
    """Start a stream, and wait for its first chunk."""
    stream = client.chat.completions.create(
        model="tiny-qwen3-vl",
        messages=[{"role": "user", "content": "Count aloud to 90."}],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=TOKENS,
        extra_body={"min_tokens": TOKENS},
    )
    return stream, [next(stream)]


def test_drain_and_sigterm_let_streams_end(endpoint: Any, client: openai.OpenAI) -> None:
    """Streams from before a drain and from its first phase come to their own end at SIGTERM.

    The drain's command then returns with 0, and all is gone, with exit code 0.
    """
    streams = [begin(client)]
    drain = subprocess.Popen(
        [sys.executable, "-m", "serving", "drain"],
        cwd=ROOT,
        env=variables(endpoint.socket.parent),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert drain.stdout is not None
    assert drain.stdout.readline().startswith("Not ready any more, new requests are still served")
    ready = httpx.get(f"{endpoint.admin_url}/readyz", timeout=ANSWER_SECONDS)
    assert (ready.status_code, "draining" in ready.text) == (503, True)
    streams.append(begin(client))
    ended: list[tuple[int, list[Any]]] = []
    stopper = threading.Thread(target=lambda: ended.append(endpoint.stop()))
    stopper.start()
    for stream, chunks in streams:
        chunks.extend(stream)
        assert chunks[-1].usage.completion_tokens == TOKENS
        assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "length"
    stopper.join()
    assert "Drained" in drain.communicate(timeout=ANSWER_SECONDS)[0]
    assert drain.returncode == 0
    assert ended == [(0, [])], endpoint.words()
