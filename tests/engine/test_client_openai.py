"""The official OpenAI client on chat completions, completions and models; nothing is adapted to us.

Every response is validated strictly against the client's own types.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

MODEL = "tiny-qwen3-vl"
SUM = [{"role": "user", "content": "What is 12 + 7?"}]
SUM_THOUGHT = "12 plus 7 is 19."

CirclePart = Callable[..., dict[str, Any]]


class Scene(BaseModel):
    """What the tiny model says of a picture."""

    colour: str
    kind: Literal["circle", "square", "triangle"]
    count: int


class Weather(BaseModel):
    """Get the weather of a city"""

    city: str = Field(description="City name")


RED_CIRCLE = Scene(colour="red", kind="circle", count=1)


@pytest.fixture(scope="module")
def strict(endpoint: Any) -> Iterator[openai.OpenAI]:
    """Return a client that rejects a response which is not as OpenAI's types say."""
    with openai.OpenAI(
        base_url=f"{endpoint.url}/v1",
        api_key="none",
        max_retries=0,
        timeout=300,
        _strict_response_validation=True,
    ) as official:
        yield official


def scene_question(circle_part: CirclePart) -> list[Any]:
    question = {"type": "text", "text": "Describe the picture as JSON."}
    return [{"role": "user", "content": [circle_part("red"), question]}]


def assert_usage_adds_up(usage: Any) -> None:
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


def test_async_client_gets_answers_whole_and_streamed(endpoint: Any) -> None:
    """The asynchronous client sees the same, and two of its requests run at once."""

    async def ask() -> tuple[Any, str, str]:
        async with openai.AsyncOpenAI(
            base_url=f"{endpoint.url}/v1",
            api_key="none",
            max_retries=0,
            _strict_response_validation=True,
        ) as client:
            reply, stream = await asyncio.gather(
                client.chat.completions.create(model=MODEL, messages=SUM),
                client.chat.completions.create(model=MODEL, messages=SUM, stream=True),
            )
            text = thought = ""
            async for chunk in stream:
                text += chunk.choices[0].delta.content or ""
                thought += (chunk.choices[0].delta.model_extra or {}).get("reasoning") or ""
            return reply, text, thought

    reply, text, thought = asyncio.run(ask())
    assert reply.choices[0].message.content == text == "19"
    assert reply.choices[0].message.model_extra["reasoning"] == thought
    assert thought.strip() == SUM_THOUGHT
    assert_usage_adds_up(reply.usage)


def test_accumulated_stream_is_the_whole_answer(strict: openai.OpenAI) -> None:
    """The client's own accumulator ends with text, end and usage of the unstreamed answer."""
    whole = strict.chat.completions.create(model=MODEL, messages=SUM)
    with strict.chat.completions.stream(
        model=MODEL, messages=SUM, stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == "19"
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    assert final.usage.completion_tokens == whole.usage.completion_tokens
    assert_usage_adds_up(final.usage)


def test_parsed_answer_is_the_pydantic_model(
    strict: openai.OpenAI, circle_part: CirclePart
) -> None:
    """A pydantic model goes as the schema and comes back filled, the thought beside it."""
    reply = strict.chat.completions.parse(
        model=MODEL, messages=scene_question(circle_part), response_format=Scene
    )
    assert reply.choices[0].message.parsed == RED_CIRCLE
    assert reply.choices[0].message.model_extra["reasoning"].strip() == "I see 1 red circle."
    assert_usage_adds_up(reply.usage)


def test_streamed_answer_parses_to_the_same_model(
    strict: openai.OpenAI, circle_part: CirclePart
) -> None:
    """The same schema holds for a stream, of which no delta carries the thought."""
    with strict.chat.completions.stream(
        model=MODEL, messages=scene_question(circle_part), response_format=Scene
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == RED_CIRCLE == Scene.model_validate_json(text)


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_tool_loop_with_parsed_arguments(strict: openai.OpenAI, *, streamed: bool) -> None:
    """A tool made of a pydantic model is called with its fields; its result becomes the answer."""
    tools = [openai.pydantic_function_tool(Weather, name="get_weather")]
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    request: dict[str, Any] = {"model": MODEL, "messages": messages, "tools": tools}
    if streamed:
        with strict.chat.completions.stream(**request) as stream:
            choice = stream.get_final_completion().choices[0]
    else:
        choice = strict.chat.completions.parse(**request).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert call.function.parsed_arguments == Weather(city="Paris")
    messages += [
        choice.message.to_dict(mode="json"),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    answer = strict.chat.completions.create(**request).choices[0]
    assert (answer.message.content, answer.finish_reason) == ("It is sunny in Paris.", "stop")
    assert "sunny" in answer.message.model_extra["reasoning"]


@pytest.mark.parametrize(
    ("request_", "error", "code", "param"),
    [
        pytest.param(
            {"model": "gpt-9", "messages": SUM},
            openai.NotFoundError,
            "model_not_found",
            "model",
            id="other model",
        ),
        pytest.param(
            {"model": MODEL, "messages": SUM, "extra_body": {"tempreature": 1}},
            openai.BadRequestError,
            "unknown_parameter",
            "tempreature",
            id="misspelt field",
        ),
        pytest.param(
            {"model": MODEL, "messages": SUM, "temperature": 3},
            openai.BadRequestError,
            None,
            "temperature",
            id="value out of range",
        ),
    ],
)
def test_refusal_is_a_typed_exception(
    strict: openai.OpenAI, request_: dict[str, Any], error: type[Any], code: str | None, param: str
) -> None:
    """The exception's class, code, parameter and request id are those of OpenAI's own."""
    with pytest.raises(error) as refused:
        strict.chat.completions.create(**request_)
    assert refused.value.param == param
    assert code is None or refused.value.code == code
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id


def test_refusal_of_a_stream_comes_before_it(strict: openai.OpenAI) -> None:
    """A stream that cannot start is an exception, not a stream with an error in it."""
    with pytest.raises(openai.NotFoundError):
        strict.chat.completions.create(model="gpt-9", messages=SUM, stream=True)


@pytest.mark.parametrize("name", [MODEL, "qwen/qwen3-vl-8b-thinking"])
def test_model_is_retrieved_by_each_of_its_names(strict: openai.OpenAI, name: str) -> None:
    """An alias, slash and all, leads to what is really served."""
    assert strict.models.retrieve(name).id == MODEL
    assert [model.id for model in strict.models.list()] == [MODEL]


def test_model_that_is_not_served_is_not_found(strict: openai.OpenAI) -> None:
    """Any other name is the typed 404."""
    with pytest.raises(openai.NotFoundError, match="gpt-9"):
        strict.models.retrieve("gpt-9")


def test_completion_stream_is_the_whole_completion(
    client: openai.OpenAI, strict: openai.OpenAI, tokenizer: Any
) -> None:
    """A plain completion gives the same raw text, end and usage, streamed or not.

    The stream is not validated: OpenAI's own sends the null that its type of a chunk forbids.
    """
    prompt = tokenizer.apply_chat_template(SUM, add_generation_prompt=True, tokenize=False)
    request: dict[str, Any] = {"model": MODEL, "prompt": prompt, "max_tokens": 64}
    whole = strict.completions.create(**request)
    chunks = list(
        client.completions.create(**request, stream=True, stream_options={"include_usage": True})
    )
    assert whole.choices[0].text == "".join(c.text for chunk in chunks for c in chunk.choices)
    assert whole.choices[0].text.startswith(SUM_THOUGHT)
    assert whole.choices[0].text.endswith("</think>\n\n19")
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
