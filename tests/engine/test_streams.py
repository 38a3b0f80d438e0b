"""Streams from the real engine: the same as whole answers, and gone when their client is."""

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

MODEL = "tiny-qwen3-vl"
LONG = 16_000  # tokens: nearly the context
WAIT_SECONDS = 600
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def read(stream: Any) -> tuple[dict[str, Any], Any]:
    """Put a stream together; return what the message would be, and the usage."""
    said: dict[str, Any] = {"content": "", "reasoning": "", "calls": [], "finish_reason": None}
    usage = None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            said["content"] += choice.delta.content or ""
            said["reasoning"] += (choice.delta.model_extra or {}).get("reasoning") or ""
            said["finish_reason"] = choice.finish_reason or said["finish_reason"]
            for call in choice.delta.tool_calls or ():
                if call.function.name:
                    said["calls"].append([call.function.name, ""])
                said["calls"][call.index][1] += call.function.arguments or ""
    return said, usage


def message_of(reply: Any) -> dict[str, Any]:
    choice = reply.choices[0]
    calls = choice.message.tool_calls or ()
    return {
        "content": choice.message.content or "",
        "reasoning": choice.message.model_extra["reasoning"] or "",
        "calls": [[call.function.name, call.function.arguments] for call in calls],
        "finish_reason": choice.finish_reason,
    }


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        pytest.param("What is 12 + 7?", {}, id="sum"),
        pytest.param("Count aloud to 90.", {}, id="long thought"),
        pytest.param("Count aloud to 90.", {"max_tokens": 24}, id="thought cut by its budget"),
        pytest.param("What is the weather in Paris?", {"tools": [WEATHER]}, id="tool call"),
    ],
)
def test_stream_equals_whole_answer(
    client: openai.OpenAI, question: str, fields: dict[str, Any]
) -> None:
    """Thought, answer, calls, end and usage are the same, streamed or not."""
    request = {"model": MODEL, "messages": [{"role": "user", "content": question}], **fields}
    reply = client.chat.completions.create(**request)
    stream = client.chat.completions.create(
        **request, stream=True, stream_options={"include_usage": True}
    )
    said, usage = read(stream)
    assert said == message_of(reply)
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert getattr(usage, name) == getattr(reply.usage, name)
    assert (
        usage.completion_tokens_details.reasoning_tokens
        == reply.usage.completion_tokens_details.reasoning_tokens
    )


def test_picture_stream_equals_whole_answer(
    client: openai.OpenAI, circle_part: Callable[..., Any]
) -> None:
    """The same holds for a question about a picture."""
    content = [circle_part("blue", "WEBP"), {"type": "text", "text": "What is in this image?"}]
    request = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    reply = client.chat.completions.create(**request)
    said, usage = read(client.chat.completions.create(**request, stream=True))
    assert said == message_of(reply)
    assert usage is None


def test_hanging_up_frees_the_engine(endpoint: Any, client: openai.OpenAI) -> None:
    """A client that goes away takes its generation with it, which never comes to its own end."""
    prompts = endpoint.engine_metric("vllm:prompt_tokens_total")
    ends = endpoint.engine_metric("vllm:request_success_total", finished_reason="length")
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Count aloud to 90."}],
        stream=True,
        max_tokens=LONG,
        extra_body={"min_tokens": LONG},
    )
    next(stream)
    stream.close()
    wait_until(lambda: endpoint.engine_metric("vllm:prompt_tokens_total") > prompts)
    wait_until(lambda: endpoint.engine_metric("vllm:num_requests_running") == 0)
    ended = endpoint.engine_metric("vllm:request_success_total", finished_reason="length")
    assert ended == ends


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for longer than any generation here takes."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.1)
