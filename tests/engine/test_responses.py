"""Responses of the real engine: what the endpoint promises beyond the official client's types."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

MODEL = "tiny-qwen3-vl"
SUM = "What is 12 + 7?"
PICTURE_TOKENS = (224 // 32) ** 2  # one token for 32 x 32 pixels
CHECKPOINT = Path(__file__).resolve().parents[2] / "serving" / "tiny_model" / "checkpoint"
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}

CirclePart = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def endless() -> dict[str, Any]:
    """Return what makes the model say 7 for ever, in thought and answer."""
    vocabulary = json.loads((CHECKPOINT / "tokenizer.json").read_text())["model"]["vocab"]
    return {"logit_bias": {str(vocabulary["7"]): 100}}


def words(response: Any) -> list[tuple[str, str]]:
    """Return each item's kind and what it says."""
    said = []
    for item in response.output:
        if item.type == "function_call":
            said.append((item.type, item.arguments))
        else:
            said.append((item.type, "".join(part.text for part in item.content)))
    return said


@pytest.mark.parametrize(
    "request_fields",
    [
        pytest.param({"input": SUM}, id="greedy"),
        pytest.param(
            {
                "input": "Tell me a story about Paris.",
                "temperature": 2,
                "max_output_tokens": 64,
                "extra_body": {"seed": 7},
            },
            id="seeded",
        ),
        pytest.param(
            {
                "input": "What is the weather in Paris?",
                "tools": [{"type": "function", **WEATHER}],
                "tool_choice": "required",
            },
            id="call",
        ),
        pytest.param({"input": SUM, "extra_body": {"stop": "9"}}, id="stop text"),
        pytest.param({"input": SUM, "reasoning": {"effort": "low"}}, id="effort"),
    ],
)
def test_stream_ends_as_the_whole_response(
    client: openai.OpenAI, request_fields: dict[str, Any]
) -> None:
    """For the same request the last event has the same items, counts and end as the whole."""
    whole = client.responses.create(model=MODEL, **request_fields)
    *_, last = client.responses.create(model=MODEL, stream=True, **request_fields)
    streamed = last.response
    assert last.type == f"response.{whole.status}"
    assert words(streamed) == words(whole)
    assert streamed.incomplete_details == whole.incomplete_details
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.usage.output_tokens_details == whole.usage.output_tokens_details


def test_effort_bounds_the_thought(client: openai.OpenAI, endless: dict[str, Any]) -> None:
    """More effort is a longer thought where it would not end by itself; the budget's end shows."""
    thoughts = []
    for effort in ("minimal", "low", "high"):
        response = client.responses.create(
            model=MODEL,
            input=SUM,
            max_output_tokens=240,
            reasoning={"effort": effort},
            extra_body=endless,
        )
        details = response.usage.output_tokens_details
        assert details.reasoning_budget_hit is True
        assert response.reasoning.effort == effort
        assert response.output_text
        thoughts.append(details.reasoning_tokens)
    assert thoughts == sorted(set(thoughts))


def test_budget_is_the_number_of_thought_tokens(
    client: openai.OpenAI, endless: dict[str, Any]
) -> None:
    """reasoning.max_tokens ends the thought as the same field does in a chat."""
    budget = {"reasoning": {"max_tokens": 32}, **endless}
    response = client.responses.create(
        model=MODEL, input=SUM, max_output_tokens=200, extra_body=budget
    )
    chat = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": SUM}],
        max_tokens=200,
        extra_body=budget,
    )
    assert (
        response.usage.output_tokens_details.reasoning_tokens
        == chat.usage.completion_tokens_details.reasoning_tokens
    )
    assert words(response)[1][1] == chat.choices[0].message.content


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_excluded_thought_is_thought_and_not_shown(
    client: openai.OpenAI, *, streamed: bool
) -> None:
    """The answer and the count are as ever; no word of the thought is sent."""
    fields: dict[str, Any] = {
        "model": MODEL,
        "input": SUM,
        "extra_body": {"reasoning": {"exclude": True}},
    }
    if streamed:
        *events, last = client.responses.create(stream=True, **fields)
        assert not any("reasoning_text" in event.type for event in events)
        response = last.response
    else:
        response = client.responses.create(**fields)
    assert words(response) == [("reasoning", ""), ("message", "19")]
    assert response.usage.output_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_logprobs_are_of_the_answers_tokens(client: openai.OpenAI, *, streamed: bool) -> None:
    """The tokens make up the answer, each with as many alternatives as were asked for."""
    fields: dict[str, Any] = {
        "model": MODEL,
        "input": "What is the weather in Paris?",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    if streamed:
        *events, last = client.responses.create(stream=True, **fields)
        deltas = [event for event in events if event.type == "response.output_text.delta"]
        assert all("".join(e.token for e in delta.logprobs) == delta.delta for delta in deltas)
        response = last.response
    else:
        response = client.responses.create(**fields)
    [part] = response.output[-1].content
    assert "".join(entry.token for entry in part.logprobs) == response.output_text
    assert all(len(entry.top_logprobs) == 2 for entry in part.logprobs)
    assert all(entry.logprob <= 0 for entry in part.logprobs)


def test_history_is_the_same_prompt_as_a_chats(client: openai.OpenAI) -> None:
    """Thought, text, call and result sent back as items are counted like the same messages."""
    arguments = '{"city": "Paris"}'
    items: list[Any] = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "I call get_weather."}],
        },
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": arguments},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    ]
    called = {
        "role": "assistant",
        "reasoning": "I call get_weather.",
        "content": "Let me see.",
        "tool_calls": [
            {
                "id": "c",
                "type": "function",
                "function": {"name": "get_weather", "arguments": arguments},
            }
        ],
    }
    messages: list[Any] = [
        items[0],
        called,
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]
    response = client.responses.create(
        model=MODEL, input=items, tools=[{"type": "function", **WEATHER}]
    )
    chat = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[{"type": "function", "function": WEATHER}]
    )
    assert response.usage.input_tokens == chat.usage.prompt_tokens
    assert response.output_text == chat.choices[0].message.content == "It is sunny in Paris."


def test_function_may_return_a_picture(client: openai.OpenAI, circle_part: CirclePart) -> None:
    """A result's picture reaches the model: its tokens are counted among the prompt's."""
    picture = {"type": "input_image", "image_url": circle_part("red")["image_url"]["url"]}
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    response = client.responses.create(
        model=MODEL,
        input=[
            {"role": "user", "content": "What is in this image?"},
            call,
            {"type": "function_call_output", "call_id": "c", "output": [picture]},
        ],
    )
    assert response.status == "completed"
    assert response.usage.input_tokens_details.image_tokens >= PICTURE_TOKENS


def test_many_clients_stream_at_once(endpoint: Any) -> None:
    """The asynchronous client's streams keep apart, each with ids of its own."""

    async def ask(official: openai.AsyncOpenAI, first: int) -> Any:
        stream = await official.responses.create(
            model=MODEL, input=f"What is {first} + 2?", stream=True
        )
        return [event async for event in stream][-1].response

    async def ask_all() -> list[Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{endpoint.url}/v1", api_key="none", max_retries=0, timeout=300
        ) as official:
            return await asyncio.gather(*(ask(official, first) for first in range(1, 7)))

    answers = asyncio.run(ask_all())
    assert [answer.output_text for answer in answers] == [str(n + 2) for n in range(1, 7)]
    ids = [item.id for answer in answers for item in answer.output]
    assert len(set(ids)) == len(ids)


def test_openrouters_stream_has_cost_and_end_mark(endpoint: Any) -> None:
    """Under /api/v1 the last response has its price, and [DONE] comes after it."""
    fields = {"model": "qwen/qwen3-vl-8b-thinking", "input": SUM, "stream": True, "top_a": 1}
    answer = endpoint.http.post(f"{endpoint.url}/api/v1/responses", json=fields)
    *_, last, done = [line for line in answer.text.split("\n") if line.startswith("data: ")]
    assert done == "data: [DONE]"
    response = json.loads(last.removeprefix("data: "))["response"]
    assert response["model"] == MODEL
    assert response["usage"]["cost"] == 0  # the tiny model's price
    thought, message = response["output"]
    assert (thought["format"], thought["signature"]) == ("unknown", None)
    assert message["content"][0]["text"] == "19"
