"""Anthropic's endpoints with the official client: thought, answer, tools and counts are right."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

MODEL = "tiny-qwen3-vl"
SUM = [{"role": "user", "content": "What is 12 + 7?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS = [
    {
        "name": f"get_{subject}",
        "description": f"Get the {subject} of a city",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    for subject in ("weather", "time")
]
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
CALL = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}}

ADAPTIVE = {"type": "adaptive"}

DrawCircle = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def claude(endpoint: Any) -> Iterator[anthropic.Anthropic]:
    """Return the official client, which refuses a response that is not as its types say."""
    with anthropic.Anthropic(
        base_url=endpoint.url,
        api_key="none",
        max_retries=0,
        timeout=300,
        _strict_response_validation=True,
    ) as official:
        yield official


@pytest.fixture(scope="module")
def red_circle(circle: DrawCircle) -> dict[str, Any]:
    """Return a picture as a block."""
    data = base64.b64encode(circle("red", "PNG")).decode()
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": data},
    }


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def result(**fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", **fields}


def create(claude: anthropic.Anthropic, **fields: Any) -> anthropic.types.Message:
    return claude.messages.create(**{"model": MODEL, "max_tokens": 2000, "messages": SUM, **fields})


def streamed(claude: anthropic.Anthropic, **fields: Any) -> anthropic.types.Message:
    with claude.messages.stream(
        **{"model": MODEL, "max_tokens": 2000, "messages": SUM, **fields}
    ) as stream:
        return stream.get_final_message()


def prompt_tokens(message: anthropic.types.Message) -> int:
    usage = message.usage
    return usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_a_snippet_for_any_model_reads_the_answer(
    claude: anthropic.Anthropic, red_circle: dict[str, Any]
) -> None:
    """Without `thinking` the first block is the answer to a picture, as snippets expect."""
    message = create(claude, messages=[user(red_circle, text("What colour is it?"))])
    assert message.content[0].text == "red"
    assert message.stop_reason == "end_turn"
    assert message.model == MODEL
    assert message.usage.output_tokens > message.usage.output_tokens_details.thinking_tokens > 0


@pytest.mark.parametrize(
    ("thinking", "thought"),
    [
        pytest.param(
            {"type": "enabled", "budget_tokens": 1024}, "12 plus 7 is 19.\n", id="enabled"
        ),
        pytest.param(ADAPTIVE, "12 plus 7 is 19.\n", id="adaptive"),
        pytest.param(ADAPTIVE | {"display": "omitted"}, "", id="omitted"),
    ],
)
def test_a_thought_asked_for_comes_first(
    claude: anthropic.Anthropic, thinking: Any, thought: str
) -> None:
    """The thought is a signed block before the answer, whole and streamed."""
    for ask in (create, streamed):
        message = ask(claude, thinking=thinking)
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert message.content[0].thinking == thought
        assert message.content[0].signature
        assert message.content[1].text == "19"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="hidden thought"),
        pytest.param({"thinking": ADAPTIVE, "system": "Answer briefly."}, id="thought"),
        pytest.param({"messages": WEATHER, "tools": TOOLS, "thinking": ADAPTIVE}, id="call"),
        pytest.param({"stop_sequences": ["9"]}, id="stop sequence"),
        pytest.param({"max_tokens": 14}, id="cut short"),
    ],
)
def test_streamed_is_whole(claude: anthropic.Anthropic, fields: dict[str, Any]) -> None:
    """The same question has the same message and counts, streamed or not."""
    messages = [ask(claude, **fields) for ask in (create, streamed)]
    shown = []
    for message in messages:
        fields_shown = message.model_dump(exclude={"id", "usage", "_request_id"})
        for block in fields_shown["content"]:
            for name in ("id", "signature", "parsed_output"):
                block.pop(name, None)
        counts = (prompt_tokens(message), message.usage.output_tokens)
        shown.append((fields_shown, counts))
    assert shown[0] == shown[1]
    assert len(messages[0].content) == len(messages[1].content) > 0


@pytest.mark.parametrize("ask", [create, streamed], ids=["whole", "streamed"])
def test_tool_loop_ends_in_an_answer(claude: anthropic.Anthropic, ask: Any) -> None:
    """The model calls the right tool; its thought and call go back as they came, with a result."""
    called = ask(claude, messages=WEATHER, tools=TOOLS, thinking=ADAPTIVE)
    assert called.stop_reason == "tool_use"
    call = called.content[-1]
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    history = [
        *WEATHER,
        called.to_param(),
        user({"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}),
    ]
    answer = ask(claude, messages=history, tools=TOOLS)
    assert answer.content[0].text == "It is sunny in Paris."
    assert answer.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        pytest.param({"type": "any"}, "get_weather", id="any"),
        pytest.param({"type": "tool", "name": "get_time"}, "get_time", id="named"),
        pytest.param({"type": "none"}, None, id="none"),
    ],
)
def test_a_choice_of_tool_holds(claude: anthropic.Anthropic, choice: Any, name: str | None) -> None:
    """A call that must be is made, streamed too, and none where none may be."""
    for ask in (create, streamed):
        message = ask(claude, messages=WEATHER, tools=TOOLS, tool_choice=choice, max_tokens=200)
        calls = [block.name for block in message.content if block.type == "tool_use"]
        assert calls == ([name] if name else [])
        assert (message.stop_reason == "tool_use") is (name is not None)


def test_a_stop_sequence_ends_the_answer_only(claude: anthropic.Anthropic) -> None:
    """A text that stands in the thought does not end it; in the answer it does, and is named."""
    message = create(claude, thinking=ADAPTIVE, stop_sequences=["9", "plus"])
    assert "plus" in message.content[0].thinking
    assert message.content[1].text == "1"
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "9")


def test_a_schema_shapes_the_answer(
    claude: anthropic.Anthropic, red_circle: dict[str, Any]
) -> None:
    """output_config.format holds from the end of the thought on."""
    message = create(
        claude,
        messages=[user(red_circle, text("Describe the picture as JSON."))],
        output_config={"format": {"type": "json_schema", "schema": SCENE}},
    )
    assert json.loads(message.content[0].text) == {"colour": "red", "kind": "circle", "count": 1}


def test_effort_ends_the_thought_and_says_so(claude: anthropic.Anthropic) -> None:
    """A low effort is a share of max_tokens; the answer comes, and usage tells of the cut."""
    message = create(
        claude,
        messages=[{"role": "user", "content": "Count aloud to 90."}],
        max_tokens=100,
        output_config={"effort": "low"},
    )
    details = message.usage.output_tokens_details
    assert message.content[0].text
    assert details.model_extra["reasoning_budget_hit"] is True
    assert 0 < details.thinking_tokens < 30


@pytest.mark.parametrize(
    ("turns", "fields"),
    [
        pytest.param(lambda _: SUM, {}, id="text"),
        pytest.param(lambda _: SUM, {"system": [text("Be kind. "), text("Hi.")]}, id="system"),
        pytest.param(lambda _: WEATHER, {"tools": TOOLS, "system": "Be kind."}, id="tools"),
        pytest.param(
            lambda _: WEATHER, {"tools": TOOLS, "tool_choice": {"type": "none"}}, id="no tools"
        ),
        pytest.param(
            lambda picture: [user(picture, text("Which colours?"), picture)], {}, id="pictures"
        ),
        pytest.param(
            lambda picture: [
                *WEATHER,
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, CALL],
                },
                user(result(content=[text("See:"), picture])),
            ],
            {"tools": TOOLS},
            id="picture in a result",
        ),
    ],
)
def test_counted_tokens_are_those_of_the_answers_usage(
    claude: anthropic.Anthropic,
    red_circle: dict[str, Any],
    turns: Callable[[Any], Any],
    fields: dict[str, Any],
) -> None:
    """count_tokens and usage agree on the same prompt, pictures and tools included."""
    messages = turns(red_circle)
    counted = claude.messages.count_tokens(model=MODEL, messages=messages, **fields)
    message = create(claude, messages=messages, max_tokens=40, **fields)
    assert counted.input_tokens == prompt_tokens(message)


def test_a_failed_tool_is_told_to_the_model(claude: anthropic.Anthropic) -> None:
    """is_error adds the words that say so, and no more, to the prompt."""
    called = [*WEATHER, {"role": "assistant", "content": [CALL]}]
    counts = [
        claude.messages.count_tokens(
            model=MODEL, messages=[*called, user(answer)], tools=TOOLS
        ).input_tokens
        for answer in (
            result(content="no such city", is_error=True),
            result(content="Error: no such city"),
        )
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        pytest.param({"model": "gpt-9"}, anthropic.NotFoundError, MODEL, id="model"),
        pytest.param(
            {"messages": [{"role": "user", "content": "What is 1 + 1? " * 4000}]},
            anthropic.BadRequestError,
            "context",
            id="context",
        ),
        pytest.param(
            {"thinking": {"type": "disabled"}},
            anthropic.BadRequestError,
            "always thinks",
            id="no thought",
        ),
        pytest.param(
            {"tools": [{"name": "f", "input_schema": {"type": "objekt"}}]},
            anthropic.BadRequestError,
            "input_schema",
            id="broken schema",
        ),
    ],
)
def test_errors_are_the_clients_own_types(
    claude: anthropic.Anthropic, fields: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """What cannot be served raises the client's exception, with the request's id."""
    with pytest.raises(kind, match=said) as refused:
        create(claude, **fields)
    assert refused.value.request_id


def test_openrouters_path_takes_the_same_client(endpoint: Any) -> None:
    """Under /api the client gets the same message, with its price."""
    with anthropic.Anthropic(
        base_url=f"{endpoint.url}/api", api_key="none", max_retries=0
    ) as client:
        for ask in (create, streamed):
            message = ask(client, model="qwen/qwen3-vl-8b-thinking")
            assert message.content[0].text == "19"
        usage = create(client).usage
        assert usage.model_extra["cost"] == 0
        assert client.messages.count_tokens(model=MODEL, messages=SUM).input_tokens > 0
