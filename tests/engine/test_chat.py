"""Questions asked with the official client: answer, thought and counts are right together."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

MODEL = "tiny-qwen3-vl"
SUM = [{"role": "user", "content": "What is 12 + 7?"}]
PICTURE_TOKENS = (224 // 32) ** 2 + 2  # one token for 32 x 32 pixels, and the two that enclose them
SCENE = {
    "type": "object",
    "properties": {
        "colour": {"type": "string"},
        "kind": {"type": "string"},
        "count": {"type": "integer"},
    },
    "required": ["colour", "kind", "count"],
    "additionalProperties": False,
}

CirclePart = Callable[..., dict[str, Any]]


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def count(tokenizer: Any, words: str) -> int:
    return len(tokenizer.encode(words, add_special_tokens=False))


@pytest.mark.parametrize(
    ("packed_as", "colour"),
    [
        pytest.param("PNG", "red", id="png"),
        pytest.param("JPEG", "green", id="jpeg"),
        pytest.param("WEBP", "blue", id="webp"),
    ],
)
def test_colour_is_seen_in_every_format(
    client: openai.OpenAI, tokenizer: Any, circle_part: CirclePart, packed_as: str, colour: str
) -> None:
    """A picture's colour is the content, the thought is apart, and reasoning tokens are exact."""
    question = user(circle_part(colour, packed_as), text("What colour is it?"))
    reply = client.chat.completions.create(model=MODEL, messages=question)
    message, usage = reply.choices[0].message, reply.usage
    assert message.content == colour
    thought = message.model_extra["reasoning"]
    assert f"{colour} circle" in thought
    assert usage.completion_tokens_details.reasoning_tokens == count(tokenizer, thought)
    assert reply.choices[0].finish_reason == "stop"


def test_two_pictures_are_accepted(client: openai.OpenAI, circle_part: CirclePart) -> None:
    """A second picture of the same size adds exactly its own tokens to the prompt."""
    pictures = [circle_part("red"), circle_part("blue", "JPEG")]
    one, two = (
        client.chat.completions.create(
            model=MODEL, messages=user(*pictures[:number], text("What colour is it?"))
        )
        for number in (1, 2)
    )
    assert two.choices[0].message.content
    assert two.usage.prompt_tokens - one.usage.prompt_tokens == PICTURE_TOKENS


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(SUM, id="one turn"),
        pytest.param(
            [
                {"role": "system", "content": "Answer briefly."},
                {"role": "user", "content": "What is 3 + 4?"},
                {"role": "assistant", "content": "7", "reasoning": "3 plus 4 is 7."},
                *SUM,
            ],
            id="history",
        ),
    ],
)
def test_usage_is_the_tokenizers_count(
    client: openai.OpenAI, tokenizer: Any, messages: list[Any]
) -> None:
    """Prompt tokens are those of the rendered template, completion tokens those of all output."""
    reply = client.chat.completions.create(model=MODEL, messages=messages)
    message, usage = reply.choices[0].message, reply.usage
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert message.content == "19"
    assert usage.prompt_tokens == count(tokenizer, rendered)
    said = f"{message.model_extra['reasoning']}</think>\n\n{message.content}<|im_end|>"
    assert usage.completion_tokens == count(tokenizer, said)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_schema_shapes_the_answer_and_not_the_thought(
    client: openai.OpenAI, circle_part: CirclePart
) -> None:
    """A JSON schema holds from the end of the thought on."""
    schema = {"name": "scene", "schema": SCENE, "strict": True}
    reply = client.chat.completions.create(
        model=MODEL,
        messages=user(circle_part("red"), text("Describe the picture as JSON.")),
        response_format={"type": "json_schema", "json_schema": schema},
    )
    message = reply.choices[0].message
    assert json.loads(message.content) == {"colour": "red", "kind": "circle", "count": 1}
    assert "circle" in message.model_extra["reasoning"]


def test_thought_cut_by_its_budget_is_answered(
    client: openai.OpenAI, tokenizer: Any, circle_part: CirclePart
) -> None:
    """A budget of three tokens ends the thought; no end mark shows, and the count is exact."""
    reply = client.chat.completions.create(
        model=MODEL,
        messages=user(circle_part("green"), text("What colour is it?")),
        extra_body={"thinking_token_budget": 3},
    )
    message = reply.choices[0].message
    assert message.content == "green"
    thought = message.model_extra["reasoning"]
    reasoning_tokens = reply.usage.completion_tokens_details.reasoning_tokens
    assert reasoning_tokens == count(tokenizer, thought) < 10


def test_small_max_tokens_leave_room_for_an_answer(client: openai.OpenAI) -> None:
    """A client that knows nothing of thoughts gets content, however long the thought would be."""
    question = [{"role": "user", "content": "Count aloud to 90."}]
    reply = client.chat.completions.create(model=MODEL, messages=question, max_tokens=24)
    assert reply.choices[0].message.content
    assert reply.usage.completion_tokens <= 24


def test_many_at_once_get_their_own_answers(client: openai.OpenAI) -> None:
    """Requests computed in one batch do not mix."""

    def ask(term: int) -> str | None:
        question = [{"role": "user", "content": f"What is {term} + 2?"}]
        reply = client.chat.completions.create(model=MODEL, messages=question)
        return reply.choices[0].message.content

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    assert answers == [str(term + 2) for term in range(12)]


def test_one_picture_many_times_at_once_is_always_seen(
    client: openai.OpenAI, circle_part: Callable[..., Any]
) -> None:
    """What the engine remembers of a picture never fails a request for it."""

    def ask(number: int) -> str | None:
        colour = ("red", "green", "blue")[number // 24]
        content = [circle_part(colour), {"type": "text", "text": "What color is the circle?"}]
        question = [{"role": "user", "content": content}]
        reply = client.chat.completions.create(model=MODEL, messages=question)
        return reply.choices[0].message.content

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(72)))
    assert answers == ["red"] * 24 + ["green"] * 24 + ["blue"] * 24


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"extra_body": {"tempreature": 1}}, "temperature", id="misspelt field"),
        pytest.param(
            {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
            "chat_template_kwargs",
            id="switch of the template",
        ),
        pytest.param({"reasoning_effort": "none"}, "always thinks", id="no thought"),
        pytest.param({"max_tokens": 10**6}, "max_tokens", id="too much output"),
    ],
)
def test_what_cannot_hold_is_refused(
    client: openai.OpenAI, fields: dict[str, Any], said: str
) -> None:
    """A request that cannot be served as it stands gets a 400 that says why."""
    with pytest.raises(openai.BadRequestError, match=said):
        client.chat.completions.create(model=MODEL, messages=SUM, **fields)


def test_prompt_over_the_context_is_refused(client: openai.OpenAI) -> None:
    """More text than the context holds is the client's error, said before any generation."""
    question = [{"role": "user", "content": "What is 1 + 1? " * 4000}]
    with pytest.raises(openai.BadRequestError, match="16384"):
        client.chat.completions.create(model=MODEL, messages=question)


def test_other_model_is_not_found(client: openai.OpenAI) -> None:
    """A model that is not served is a 404 that names the one that is."""
    with pytest.raises(openai.NotFoundError, match=MODEL) as refused:
        client.chat.completions.create(model="gpt-9", messages=SUM)
    assert refused.value.code == "model_not_found"
