"""OpenRouter's own Python SDK, with only the server's URL and the key changed.

The SDK validates every response against OpenRouter's published types.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openrouter import OpenRouter, components, errors

SLUG = "qwen/qwen3-vl-8b-thinking"
SERVED = "tiny-qwen3-vl"
SUM = {"role": "user", "content": "What is 12 + 7?"}
SUM_THOUGHT = "12 plus 7 is 19."
WEATHER_QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
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


@pytest.fixture(scope="module")
def sdk(endpoint: Any) -> Iterator[OpenRouter]:
    """Return the SDK, which retries nothing here."""
    with OpenRouter(
        server_url=f"{endpoint.url}/api/v1", api_key="none", retry_config=None, timeout_ms=300_000
    ) as official:
        yield official


def assert_usage_adds_up(usage: Any) -> None:
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens
    assert usage.cost >= 0


def test_answer_has_reasoning_in_both_forms(sdk: OpenRouter) -> None:
    """The thought is `reasoning` and one detail of type text; usage carries its cost."""
    result = sdk.chat.send(model=SLUG, messages=[SUM], reasoning={"effort": "high"})
    [choice] = result.choices
    assert (choice.message.content, choice.finish_reason) == ("19", "stop")
    assert choice.message.reasoning.strip() == SUM_THOUGHT
    [detail] = choice.message.reasoning_details
    assert isinstance(detail, components.ReasoningDetailText)
    assert detail.text == choice.message.reasoning
    assert result.id.startswith("gen-")
    assert result.model == SERVED
    assert_usage_adds_up(result.usage)


def test_stream_is_the_whole_answer(sdk: OpenRouter) -> None:
    """Chunks add up to text and reasoning, each with its detail, and end with usage and cost."""
    with sdk.chat.send(model=SLUG, messages=[SUM], stream=True) as stream:
        chunks = list(stream)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "19"
    thought = "".join(delta.reasoning or "" for delta in deltas)
    details = [detail for delta in deltas for detail in delta.reasoning_details or ()]
    assert thought.strip() == SUM_THOUGHT
    assert "".join(detail.text for detail in details) == thought
    assert len({(detail.id, detail.index) for detail in details}) == 1
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert finishes[-1] == "stop"
    assert not any(finishes[:-1])
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, SERVED)}
    assert_usage_adds_up(chunks[-1].usage)


def test_reasoning_details_passed_back_carry_the_tool_loop(sdk: OpenRouter) -> None:
    """The message goes back as it came, thought and all; the tool's result becomes the answer."""
    first = sdk.chat.send(model=SLUG, messages=[WEATHER_QUESTION], tools=[WEATHER])
    [asked] = first.choices
    assert asked.finish_reason == "tool_calls"
    [call] = asked.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    forms: dict[str, dict[str, Any]] = {
        "as it came": {},
        "details alone": {"reasoning": None},
        "without thought": {"reasoning": None, "reasoning_details": None},
    }
    prompts = {}
    for form, changed in forms.items():
        history = [WEATHER_QUESTION, asked.message.model_copy(update=changed), result]
        last = sdk.chat.send(model=SLUG, messages=history, tools=[WEATHER])
        assert last.choices[0].message.content == "It is sunny in Paris."
        assert "sunny" in last.choices[0].message.reasoning
        prompts[form] = last.usage.prompt_tokens
    assert prompts["as it came"] == prompts["details alone"] > prompts["without thought"]


def test_picture_is_described_to_a_schema(
    sdk: OpenRouter, circle_part: Callable[..., dict[str, Any]]
) -> None:
    """A picture in OpenRouter's form is seen, and a JSON schema holds for the answer."""
    question = {"type": "text", "text": "Describe the picture as JSON."}
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    result = sdk.chat.send(
        model=SLUG,
        messages=[{"role": "user", "content": [circle_part("green"), question]}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "scene", "schema": schema, "strict": True},
        },
    )
    [choice] = result.choices
    assert json.loads(choice.message.content) == {"colour": "green", "count": 1}
    assert choice.message.reasoning.strip() == "I see 1 green circle."


def test_response_has_reasoning_item_and_message(sdk: OpenRouter) -> None:
    """The Responses API answers in OpenRouter's types too, usage with cost."""
    response = sdk.responses.send(model=SLUG, input="What is 12 + 7?")
    thought, message = response.output
    assert "".join(part.text for part in thought.content).strip() == SUM_THOUGHT
    assert "".join(part.text for part in message.content) == "19"
    assert (response.status, response.model) == ("completed", SERVED)
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    assert usage.cost >= 0


def test_models_say_what_is_served(sdk: OpenRouter) -> None:
    """The list holds the one model with modalities, parameters, reasoning and prices."""
    page = sdk.models.list()
    [model] = page.result.data
    assert (model.id, page.result.total_count) == (SERVED, 1)
    assert {"text", "image"} <= set(model.architecture.input_modalities)
    assert {"reasoning", "tools", "structured_outputs"} <= set(model.supported_parameters)
    assert model.reasoning.mandatory is True
    assert model.context_length == model.top_provider.context_length == 16_384
    assert model.top_provider.max_completion_tokens <= model.context_length
    assert float(model.pricing.prompt) >= 0
    assert float(model.pricing.completion) >= 0
    assert page.next() is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_is_looked_up_by_its_id(
    sdk: OpenRouter, circle_part: Callable[..., dict[str, Any]], *, stream: bool
) -> None:
    """Right after it: tokens, cost and end are the answer's, its media are counted."""
    content = [circle_part("red"), {"type": "text", "text": "What is in this image?"}]
    asked = {"model": SLUG, "messages": [{"role": "user", "content": content}], "user": "u-1"}
    if stream:
        with sdk.chat.send(**asked, stream=True) as events:
            answer = list(events)[-1]
    else:
        answer = sdk.chat.send(**asked)
    told = sdk.generations.get_generation(id=answer.id).data
    usage = answer.usage
    assert (told.id, told.model, told.streamed) == (answer.id, SERVED, stream)
    assert (told.tokens_prompt, told.tokens_completion) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    assert told.native_tokens_reasoning == usage.completion_tokens_details.reasoning_tokens
    assert (told.total_cost, told.finish_reason) == (usage.cost, "stop")
    assert (told.num_media_prompt, told.external_user, told.cancelled) == (1, "u-1", False)
    assert 0 < told.generation_time < told.latency


def test_an_answer_that_never_was_is_not_found(sdk: OpenRouter) -> None:
    """The SDK raises its exception for 404."""
    with pytest.raises(errors.NotFoundResponseError, match="gen-nowhere"):
        sdk.generations.get_generation(id="gen-nowhere")


def test_credits_are_what_is_spent_and_left(sdk: OpenRouter) -> None:
    """Nobody's key has a limit here; the tiny model costs nothing."""
    account = sdk.credits.get_credits().data
    assert account.total_usage == 0
    assert account.total_credits > 0


def test_the_model_has_one_endpoint(sdk: OpenRouter) -> None:
    """It serves, with the limits and prices of the model's card, by its slug."""
    listed = sdk.endpoints.list(author="qwen", slug="qwen3-vl-8b-thinking").data
    [endpoint] = listed.endpoints
    [card] = sdk.models.list().result.data
    assert (listed.id, endpoint.status) == (SERVED, 0)
    assert endpoint.context_length == card.context_length
    assert endpoint.pricing.prompt == card.pricing.prompt
    assert set(endpoint.supported_parameters) == set(card.supported_parameters)
    choice = endpoint.supports_tool_choice
    assert choice.none and choice.auto and choice.required and choice.function


@pytest.mark.parametrize(
    ("fields", "error", "kind", "said"),
    [
        pytest.param(
            {"model": "gpt-9"}, errors.NotFoundResponseError, "not_found", SERVED, id="other model"
        ),
        pytest.param(
            {"messages": []},
            errors.BadRequestResponseError,
            "invalid_request",
            "messages",
            id="no messages",
        ),
        pytest.param(
            {"max_tokens": 10**6},
            errors.BadRequestResponseError,
            "max_tokens_exceeded",
            "max_tokens",
            id="too much output",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_refusal_is_a_typed_exception(
    sdk: OpenRouter,
    fields: dict[str, Any],
    error: type[Any],
    kind: str,
    said: str,
    *,
    stream: bool,
) -> None:
    """The SDK's exception for the status holds OpenRouter's code and canonical error type."""
    with pytest.raises(error, match=said) as refused:
        sdk.chat.send(**({"model": SLUG, "messages": [SUM], "stream": stream} | fields))
    data = refused.value.data.error
    assert data.code == refused.value.status_code
    assert data.metadata["error_type"] == kind
