"""The official Anthropic client on the Messages API, every response validated by its own types."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock

MODEL = "tiny-qwen3-vl"
SUM = [{"role": "user", "content": "What is 12 + 7?"}]
SUM_THOUGHT = "12 plus 7 is 19."
THINKING = {"type": "enabled", "budget_tokens": 1024}
WEATHER_QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}

DrawCircle = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def strict(endpoint: Any) -> Iterator[anthropic.Anthropic]:
    """Return a client that rejects a response which is not as Anthropic's types say."""
    with anthropic.Anthropic(
        base_url=endpoint.url,
        api_key="none",
        max_retries=0,
        timeout=300,
        _strict_response_validation=True,
    ) as official:
        yield official


@pytest.fixture
def picture_url(circle: DrawCircle, tmp_path: Path) -> Iterator[str]:
    """Serve a green circle over HTTP."""
    (tmp_path / "picture.png").write_bytes(circle("green", "PNG"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/picture.png"
        server.shutdown()


def base64_source(circle: DrawCircle, colour: str, packed_as: str) -> dict[str, str]:
    data = base64.b64encode(circle(colour, packed_as)).decode()
    return {"type": "base64", "media_type": f"image/{packed_as.lower()}", "data": data}


def picture_question(source: dict[str, str], question: str) -> list[Any]:
    content = [{"type": "image", "source": source}, {"type": "text", "text": question}]
    return [{"role": "user", "content": content}]


def test_message_without_thinking_is_one_text_block(strict: anthropic.Anthropic) -> None:
    """A client that asked for no thinking finds its text at content[0], and nothing else."""
    message = strict.messages.create(model=MODEL, max_tokens=256, messages=SUM)
    assert [type(block) for block in message.content] == [TextBlock]
    assert message.content[0].text == "19"
    assert (message.type, message.role, message.model) == ("message", "assistant", MODEL)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.id.startswith("msg_")
    assert message.usage.output_tokens > 2
    assert message._request_id


def test_thinking_comes_as_a_block_of_its_own(strict: anthropic.Anthropic) -> None:
    """Enabled thinking is the first block, signed, and never part of the text."""
    message = strict.messages.create(model=MODEL, max_tokens=2048, messages=SUM, thinking=THINKING)
    thought, text = message.content
    assert isinstance(thought, ThinkingBlock)
    assert thought.thinking.strip() == SUM_THOUGHT
    assert isinstance(text, TextBlock)
    assert text.text == "19"
    silent = strict.messages.create(model=MODEL, max_tokens=2048, messages=SUM)
    assert silent.usage.output_tokens == message.usage.output_tokens


def test_stream_is_the_whole_message(strict: anthropic.Anthropic) -> None:
    """The client's accumulator ends with the unstreamed message; events keep Anthropic's order."""
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 2048,
        "messages": SUM,
        "thinking": THINKING,
    }
    whole = strict.messages.create(**request)
    with strict.messages.stream(**request) as stream:
        events = list(stream)
        final = stream.get_final_message()
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    thinking = "".join(event.thinking for event in events if event.type == "thinking")
    text = "".join(event.text for event in events if event.type == "text")
    assert (thinking.strip(), text) == (SUM_THOUGHT, "19")
    assert [block.model_dump(exclude={"signature"}) for block in final.content] == [
        block.model_dump(exclude={"signature"}) for block in whole.content
    ]
    starts = [event.index for event in events if event.type == "content_block_start"]
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert starts == stops == [0, 1]
    assert kinds.index("thinking") < kinds.index("signature") < kinds.index("text")
    assert (final.stop_reason, final.model) == ("end_turn", MODEL)
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert final.usage.output_tokens == whole.usage.output_tokens


def test_async_text_stream_is_the_answer_alone(endpoint: Any) -> None:
    """The asynchronous client streams the text, of which no thought is part."""

    async def ask() -> tuple[str, Any]:
        async with (
            anthropic.AsyncAnthropic(
                base_url=endpoint.url,
                api_key="none",
                max_retries=0,
                _strict_response_validation=True,
            ) as client,
            client.messages.stream(model=MODEL, max_tokens=256, messages=SUM) as stream,
        ):
            text = "".join([piece async for piece in stream.text_stream])
            return text, await stream.get_final_message()

    text, final = asyncio.run(ask())
    assert text == "19"
    assert [block.type for block in final.content] == ["text"]


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_tool_loop_ends_in_an_answer(strict: anthropic.Anthropic, *, streamed: bool) -> None:
    """The thought, the call and its result go back as blocks; the answer uses the result."""
    messages: list[Any] = [WEATHER_QUESTION]
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 2048,
        "messages": messages,
        "tools": [WEATHER],
        "thinking": THINKING,
    }
    if streamed:
        with strict.messages.stream(**request) as stream:
            asked = stream.get_final_message()
    else:
        asked = strict.messages.create(**request)
    assert asked.stop_reason == "tool_use"
    assert [block.type for block in asked.content] == ["thinking", "tool_use"]
    thought, call = asked.content
    assert "weather in Paris" in thought.thinking
    assert isinstance(call, ToolUseBlock)
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    messages += [asked.to_param(), {"role": "user", "content": [result]}]
    answer = strict.messages.create(**request)
    assert answer.stop_reason == "end_turn"
    assert answer.content[-1].text == "It is sunny in Paris."
    assert "sunny" in answer.content[0].thinking


def test_forced_tool_is_called(strict: anthropic.Anthropic) -> None:
    """A tool that the request names is called, with nothing said beside it."""
    message = strict.messages.create(
        model=MODEL,
        max_tokens=256,
        messages=[WEATHER_QUESTION],
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
    )
    [call] = message.content
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("colour", "packed_as"),
    [pytest.param("red", "PNG", id="png"), pytest.param("blue", "WEBP", id="webp")],
)
def test_picture_in_the_request_is_seen(
    strict: anthropic.Anthropic, circle: DrawCircle, colour: str, packed_as: str
) -> None:
    """A base64 source is looked at."""
    question = picture_question(base64_source(circle, colour, packed_as), "What colour is it?")
    message = strict.messages.create(model=MODEL, max_tokens=256, messages=question)
    assert message.content[0].text == colour


def test_picture_by_url_is_fetched_and_seen(strict: anthropic.Anthropic, picture_url: str) -> None:
    """A URL source is fetched by the endpoint."""
    question = picture_question({"type": "url", "url": picture_url}, "What is in this image?")
    message = strict.messages.create(model=MODEL, max_tokens=256, messages=question)
    assert message.content[0].text == "1 green circle"


def test_system_and_history_are_counted_as_they_are_used(
    strict: anthropic.Anthropic, circle: DrawCircle
) -> None:
    """count_tokens says what the same request then uses, with system, history, tools, picture."""
    picture = picture_question(base64_source(circle, "red", "PNG"), "What colour is it?")
    request: dict[str, Any] = {
        "model": MODEL,
        "system": "Answer briefly.",
        "messages": [*SUM, {"role": "assistant", "content": "19"}, *picture],
        "tools": [WEATHER],
    }
    counted = strict.messages.count_tokens(**request).input_tokens
    used = strict.messages.create(**request, max_tokens=256).usage
    cached = (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
    assert counted == used.input_tokens + cached > 50


def test_stop_sequence_ends_the_answer_and_is_named(
    strict: anthropic.Anthropic, circle: DrawCircle
) -> None:
    """The answer ends before the sequence, which the thought may contain."""
    message = strict.messages.create(
        model=MODEL,
        max_tokens=2048,
        messages=picture_question(base64_source(circle, "red", "PNG"), "What is in this image?"),
        stop_sequences=[" red"],
        thinking=THINKING,
    )
    assert "1 red circle" in message.content[0].thinking
    assert message.content[1].text == "1"
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " red")


def test_beta_route_is_the_same(strict: anthropic.Anthropic) -> None:
    """The client's beta namespace, which tools build on, adds a query and a header alone."""
    message = strict.beta.messages.create(model=MODEL, max_tokens=256, messages=SUM, betas=["x-1"])
    assert message.content[0].text == "19"


@pytest.mark.parametrize(
    ("fields", "error", "kind", "said"),
    [
        pytest.param(
            {"model": "gpt-9"}, anthropic.NotFoundError, "not_found_error", MODEL, id="model"
        ),
        pytest.param(
            {"messages": []},
            anthropic.BadRequestError,
            "invalid_request_error",
            "messages",
            id="no messages",
        ),
        pytest.param(
            {"max_tokens": 10**6},
            anthropic.BadRequestError,
            "invalid_request_error",
            "max_tokens",
            id="too much output",
        ),
    ],
)
def test_refusal_is_a_typed_exception(
    strict: anthropic.Anthropic, fields: dict[str, Any], error: type[Any], kind: str, said: str
) -> None:
    """The exception has Anthropic's class and body, and the request's id in both its places."""
    with pytest.raises(error, match=said) as refused:
        strict.messages.create(**({"model": MODEL, "max_tokens": 256, "messages": SUM} | fields))
    body = refused.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert refused.value.request_id
    assert body["request_id"] == refused.value.request_id
