"""The end of the endpoint; runs after every other test here."""

import threading
from typing import Any

import openai

TOKENS = 600  # a second and more of generation on two cores


def test_sigterm_lets_a_stream_end(endpoint: Any, client: openai.OpenAI) -> None:
    """A stream that runs at SIGTERM comes to its own end; then all is gone, with exit code 0."""
    stream = client.chat.completions.create(
        model="tiny-qwen3-vl",
        messages=[{"role": "user", "content": "Count aloud to 90."}],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=TOKENS,
        extra_body={"min_tokens": TOKENS},
    )
    chunks = [next(stream)]
    ended: list[tuple[int, list[Any]]] = []
    stopper = threading.Thread(target=lambda: ended.append(endpoint.stop()))
    stopper.start()
    chunks.extend(stream)
    stopper.join()
    assert chunks[-1].usage.completion_tokens == TOKENS
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "length"
    assert ended == [(0, [])], endpoint.words()
