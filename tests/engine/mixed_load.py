"""Requests of every kind that the dashboards tell apart."""

import base64
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.engine.conftest import ANSWER_SECONDS

Json = dict[str, Any]

CHAT = "/v1/chat/completions"
SUM, COUNT = "What is 12 + 7?", "Count aloud to 12."
# Longer than a block of the prefix cache, of which only whole ones are found again.
LONG = COUNT * 40


def mixed_load(url: str, picture: bytes) -> list[int]:
    """Ask for streams and whole answers with and without pictures, and for what is refused.

    Returns the statuses.
    """
    with served(picture) as address, httpx.Client(base_url=url, timeout=ANSWER_SECONDS) as client:
        bodies = _kinds(picture, address)
        return [client.post(CHAT, json=body).status_code for body in bodies]


def _kinds(picture: bytes, address: str) -> Iterator[Json]:
    inline = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    for _ in range(3):  # the second finds the first's prompt and picture in the caches
        yield _body(LONG)
        yield _body(SUM, inline)
        yield _body(SUM, address)
    yield _body(SUM) | {"stream": False}
    yield _body(SUM, "data:image/png;base64,AAAA")
    yield _body(COUNT) | {"reasoning": {"max_tokens": 5}}
    yield _body(COUNT) | {"thinking_token_budget": -1, "max_tokens": 10}  # cut in its thought
    yield _body(SUM) | {"max_tokens": 10**6}
    yield _body(SUM) | {"structured_outputs": {"regex": "(("}}  # which only the engine finds out


def _body(question: str, picture: str = "") -> Json:
    content: list[Json] = [{"type": "text", "text": question}]
    if picture:
        content.insert(0, {"type": "image_url", "image_url": {"url": picture}})
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 200, "stream": True}


@contextmanager
def served(picture: bytes) -> Iterator[str]:
    """Serve a picture at an address of this machine within the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "image/png")
            self.send_header("content-length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output for the tests."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/picture.png"
        finally:
            server.shutdown()
            thread.join()
