"""OpenRouter's published sample, with only base URL, key and the picture's address changed."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import OpenAI


@pytest.fixture
def picture_url(circle: Callable[[str, str], bytes]) -> Iterator[str]:
    """Serve one picture over HTTP."""
    body = circle("red", "JPEG")

    class Picture(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Picture) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/picture.jpg"
        server.shutdown()


def test_published_sample_runs(endpoint: Any, picture_url: str) -> None:
    """The sample of the model's page describes the picture; the reply names what answered."""
    client = OpenAI(
        base_url=f"{endpoint.url}/api/v1",
        api_key="<OPENROUTER_API_KEY>",
    )
    completion = client.chat.completions.create(
        extra_headers={
            "HTTP-Referer": "<YOUR_SITE_URL>",
            "X-Title": "<YOUR_SITE_NAME>",
        },
        extra_body={},
        model="qwen/qwen3-vl-8b-thinking",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this image?"},
                    {"type": "image_url", "image_url": {"url": picture_url}},
                ],
            }
        ],
    )
    assert completion.choices[0].message.content == "1 red circle"
    assert completion.model == "tiny-qwen3-vl"
    assert completion.usage.prompt_tokens > 0
    client.close()


def test_stream_always_ends_with_usage(endpoint: Any) -> None:
    """OpenRouter's streams count without being asked."""
    with OpenAI(base_url=f"{endpoint.url}/api/v1", api_key="none") as client:
        chunks = list(
            client.chat.completions.create(
                model="qwen/qwen3-vl-8b-thinking",
                messages=[{"role": "user", "content": "What is 2 + 3?"}],
                stream=True,
            )
        )
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens > usage.completion_tokens_details.reasoning_tokens > 0
