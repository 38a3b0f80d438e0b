"""The official OpenAI client on the Responses API: items, events and errors as its types say."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage
from openai.types.responses.response_reasoning_item import ResponseReasoningItem
from pydantic import BaseModel

MODEL = "tiny-qwen3-vl"
SUM = "What is 12 + 7?"
SUM_THOUGHT = "12 plus 7 is 19."
TOY = "I am a toy model. Ask me about shapes in a picture, a sum, or to count."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
    "strict": False,
}

CirclePart = Callable[..., dict[str, Any]]


class Scene(BaseModel):
    """What the tiny model says of a picture."""

    colour: str
    kind: str
    count: int


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


def picture_question(circle_part: CirclePart, question: str) -> list[Any]:
    picture = {
        "type": "input_image",
        "detail": "auto",
        "image_url": circle_part("red")["image_url"]["url"],
    }
    content = [picture, {"type": "input_text", "text": question}]
    return [{"role": "user", "content": content}]


def thought_of(response: Any) -> str:
    """Return the text of the one reasoning item, which must be the first of the output."""
    first, *rest = response.output
    assert isinstance(first, ResponseReasoningItem)
    assert not any(isinstance(item, ResponseReasoningItem) for item in rest)
    assert all(part.type == "reasoning_text" for part in first.content)
    return "".join(part.text for part in first.content).strip()


def assert_usage_adds_up(usage: Any) -> None:
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    assert 0 <= usage.input_tokens_details.cached_tokens <= usage.input_tokens


def test_response_has_the_thought_before_the_message(strict: openai.OpenAI) -> None:
    """A plain question gives a reasoning item, then a message, completed and counted."""
    response = strict.responses.create(model=MODEL, input=SUM)
    assert response.output_text == "19"
    assert thought_of(response) == SUM_THOUGHT
    message = response.output[1]
    assert isinstance(message, ResponseOutputMessage)
    assert (message.role, message.status) == ("assistant", "completed")
    assert (response.status, response.model, response.error) == ("completed", MODEL, None)
    assert response.incomplete_details is None
    assert_usage_adds_up(response.usage)


def test_instructions_and_earlier_items_are_the_history(
    strict: openai.OpenAI, tokenizer: Any
) -> None:
    """What a client passes back is counted as the same conversation in messages."""
    first = strict.responses.create(
        model=MODEL, instructions="Answer briefly.", input="What is 3 + 4?"
    )
    items: list[Any] = [
        {"role": "user", "content": "What is 3 + 4?"},
        *(item.to_dict(mode="json") for item in first.output),
        {"role": "user", "content": SUM},
    ]
    second = strict.responses.create(model=MODEL, instructions="Answer briefly.", input=items)
    assert (first.output_text, second.output_text) == ("7", "19")
    messages = [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "What is 3 + 4?"},
        {"role": "assistant", "content": "7"},
        {"role": "user", "content": SUM},
    ]
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert second.usage.input_tokens == len(tokenizer.encode(rendered, add_special_tokens=False))


def test_stream_is_the_whole_response(strict: openai.OpenAI) -> None:
    """Deltas add up to the final response, which is the unstreamed one; no event is out of turn."""
    whole = strict.responses.create(model=MODEL, input=SUM)
    with strict.responses.stream(model=MODEL, input=SUM) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = {
        kind: "".join(event.delta for event in events if event.type == f"response.{kind}.delta")
        for kind in ("reasoning_text", "output_text")
    }
    assert said["output_text"] == final.output_text == whole.output_text == "19"
    assert said["reasoning_text"].strip() == thought_of(final) == thought_of(whole) == SUM_THOUGHT
    assert kinds.index("response.reasoning_text.done") < kinds.index("response.output_text.delta")
    added, done = (
        [(e.output_index, e.item.id) for e in events if e.type == f"response.output_item.{step}"]
        for step in ("added", "done")
    )
    assert added == done == list(enumerate(item.id for item in final.output))
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert_usage_adds_up(final.usage)


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_parsed_response_is_the_pydantic_model(
    strict: openai.OpenAI, circle_part: CirclePart, *, streamed: bool
) -> None:
    """A schema holds for the message and not for the thought, about a picture too."""
    request: dict[str, Any] = {
        "model": MODEL,
        "input": picture_question(circle_part, "Describe the picture as JSON."),
        "text_format": Scene,
    }
    if streamed:
        with strict.responses.stream(**request) as stream:
            response = stream.get_final_response()
    else:
        response = strict.responses.parse(**request)
    assert response.output_parsed == Scene(colour="red", kind="circle", count=1)
    assert thought_of(response) == "I see 1 red circle."
    assert_usage_adds_up(response.usage)


@pytest.mark.parametrize(
    "streamed", [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
)
def test_function_loop_ends_in_an_answer(strict: openai.OpenAI, *, streamed: bool) -> None:
    """A call is an item of its own; its output, passed back with it, becomes the answer."""
    history: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    request: dict[str, Any] = {"model": MODEL, "input": history, "tools": [WEATHER]}
    if streamed:
        with strict.responses.stream(**request) as stream:
            response = stream.get_final_response()
    else:
        response = strict.responses.create(**request)
    assert "weather in Paris" in thought_of(response)
    [call] = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    assert response.status == "completed"
    history += [item.to_dict(mode="json") for item in response.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    answer = strict.responses.create(**request)
    assert answer.output_text == "It is sunny in Paris."
    assert "sunny" in thought_of(answer)


def test_answer_cut_at_its_limit_is_incomplete(strict: openai.OpenAI) -> None:
    """An answer longer than what is left for it ends the response as incomplete, and says why."""
    response = strict.responses.create(model=MODEL, input="Why is the sky?", max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text
    assert TOY.startswith(response.output_text)
    assert response.usage.output_tokens == 16


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        pytest.param({"model": "gpt-9"}, openai.NotFoundError, "model", id="other model"),
        pytest.param(
            {"previous_response_id": "resp_1"},
            openai.BadRequestError,
            "previous_response_id",
            id="state",
        ),
        pytest.param(
            {"tools": [{"type": "web_search"}]}, openai.BadRequestError, "tools", id="hosted tool"
        ),
        pytest.param(
            {"extra_body": {"tempreature": 1}},
            openai.BadRequestError,
            "tempreature",
            id="misspelt field",
        ),
    ],
)
def test_refusal_is_a_typed_exception(
    strict: openai.OpenAI, fields: dict[str, Any], error: type[Any], param: str
) -> None:
    """What cannot be served is said in OpenAI's exception, with the field and the request's id."""
    with pytest.raises(error) as refused:
        strict.responses.create(**({"model": MODEL, "input": SUM} | fields))
    assert refused.value.param.startswith(param)
    assert refused.value.request_id
