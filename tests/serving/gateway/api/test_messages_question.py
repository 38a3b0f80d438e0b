"""From Anthropic's request to the chat request that asks the same, field by field."""

import json
from typing import Any

import msgspec
import pytest

from serving.gateway.api.messages_question import check_thinking, question_of
from serving.gateway.api.messages_request import (
    MessagesRequest,
    ThinkingAdaptive,
    ThinkingDisabled,
    ThinkingEnabled,
)
from serving.gateway.body import Body
from serving.gateway.conversation import Question
from serving.gateway.errors import BadRequest

HI = {"role": "user", "content": "hi"}
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
LINK_PART = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
CALLED = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Rome"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(**fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", **fields}


def question(**fields: Any) -> Question:
    """Translate a request of a short question and the given fields."""
    body = Body(json.dumps({"max_tokens": 100, "messages": [HI], **fields}).encode())
    return question_of(msgspec.json.decode(body.skeleton, type=MessagesRequest), body)


def without_nulls(value: Any) -> Any:
    """Return JSON without what was not set."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def asked(**fields: Any) -> dict[str, Any]:
    """Return the chat request as JSON, only what was set."""
    set_fields = without_nulls(msgspec.to_builtins(question(**fields).request))
    assert isinstance(set_fields, dict)
    return set_fields


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        pytest.param({}, [HI], id="text"),
        pytest.param({"system": ""}, [HI], id="empty system"),
        pytest.param(
            {"system": "Be kind."},
            [{"role": "system", "content": "Be kind."}, HI],
            id="system text",
        ),
        pytest.param(
            {
                "system": [
                    text("x-anthropic-billing-header: cc_version=1; cch=a1b2c;"),
                    text("Be kind.") | {"cache_control": {"type": "ephemeral"}},
                    text("Be brief."),
                ]
            },
            [{"role": "system", "content": [text("Be kind."), text("Be brief.")]}, HI],
            id="system blocks without what changes with every request",
        ),
        pytest.param(
            {"messages": [HI, {"role": "system", "content": "Hurry."}]},
            [HI, {"role": "system", "content": "Hurry."}],
            id="system on the way",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [PNG, text("a"), LINK]}]},
            [{"role": "user", "content": [PNG_PART, text("a"), LINK_PART]}],
            id="pictures in their order",
        ),
        pytest.param(
            {
                "messages": [
                    HI,
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "thinking", "thinking": "hm", "signature": "any"},
                            {"type": "redacted_thinking", "data": "EuYB"},
                            text("I look") | {"citations": None},
                            text(" it up."),
                            CALLED | {"caller": {"type": "direct"}},
                        ],
                    },
                    {"role": "user", "content": [result(content="sunny"), text("And?")]},
                ]
            },
            [
                HI,
                {
                    "role": "assistant",
                    "content": "I look it up.",
                    "reasoning": "hm",
                    "tool_calls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
                        }
                    ],
                },
                {"role": "tool", "content": "sunny", "tool_call_id": "t1"},
                {"role": "user", "content": [text("And?")]},
            ],
            id="thought, call, result and words",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "content": "Hello"}, HI]},
            [{"role": "assistant", "content": "Hello"}, HI],
            id="assistant text",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [result(content=[text("it"), PNG])]}]},
            [{"role": "tool", "content": [text("it"), PNG_PART], "tool_call_id": "t1"}],
            id="result of blocks",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [result()]}]},
            [{"role": "tool", "content": "", "tool_call_id": "t1"}],
            id="empty result",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [result(content="no", is_error=True)]}]},
            [{"role": "tool", "content": "Error: no", "tool_call_id": "t1"}],
            id="failed tool",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [result(content=[PNG], is_error=True)]}]},
            [{"role": "tool", "content": [text("Error: "), PNG_PART], "tool_call_id": "t1"}],
            id="failed tool with blocks",
        ),
    ],
)
def test_turns_become_messages(fields: dict[str, Any], messages: list[Any]) -> None:
    """What is said, shown, called and returned keeps its place."""
    assert asked(**fields)["messages"] == messages


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"max_tokens": 7}, {"max_tokens": 7}, id="max_tokens"),
        pytest.param({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}, id="stop"),
        pytest.param({"stream": True}, {"stream": True}, id="stream"),
        pytest.param(
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            id="sampling",
        ),
        pytest.param({"tools": [WEATHER]}, {"tools": [FUNCTION]}, id="tools"),
        pytest.param(
            {"tools": [{"type": "custom", "name": "f", "input_schema": {}, "strict": True}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
                    }
                ]
            },
            id="strict tool without a type of input",
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "auto"}},
            {"tools": [FUNCTION]},
            id="auto",
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "any"}},
            {"tools": [FUNCTION], "tool_choice": "required"},
            id="any",
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "get_weather"}},
            {
                "tools": [FUNCTION],
                "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            },
            id="named",
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "none"}},
            {},
            id="none takes the tools away",
        ),
        pytest.param(
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            },
            {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
            id="one call only",
        ),
        pytest.param(
            {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1999}},
            {"max_tokens": 2000, "reasoning": {"max_tokens": 1999}},
            id="budget",
        ),
        pytest.param({"thinking": {"type": "adaptive"}}, {"reasoning": {}}, id="adaptive"),
        pytest.param(
            {"output_config": {"effort": "low"}}, {"reasoning": {"effort": "low"}}, id="effort"
        ),
        pytest.param(
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "answer",
                        "schema": {"type": "object"},
                        "strict": True,
                    },
                }
            },
            id="format",
        ),
    ],
)
def test_fields_have_their_counterparts(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field becomes the chat request's own, and nothing else is set."""
    assert asked(**fields) == {"max_tokens": 100, "messages": [HI], "reasoning": {}} | expected


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        pytest.param(
            {"messages": [HI, {"role": "assistant", "content": "{"}]},
            "messages",
            "output_config.format",
            id="prefill",
        ),
        pytest.param(
            {"max_tokens": 1024, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "thinking.budget_tokens",
            "less than 'max_tokens', which is 1024",
            id="no room for an answer",
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "get_time"}},
            "tool_choice.name",
            "get_time",
            id="choice of no tool",
        ),
        pytest.param({"tool_choice": {"type": "any"}}, "tool_choice", "'tools'", id="no tools"),
        pytest.param(
            {"tools": [WEATHER, {"name": "f", "input_schema": {"type": "string"}}]},
            "tools[1].input_schema.type",
            "'object'",
            id="input that is no object",
        ),
    ],
)
def test_what_cannot_hold_names_its_field(fields: dict[str, Any], param: str, said: str) -> None:
    """A contradiction is the client's error, in the client's own words."""
    with pytest.raises(BadRequest, match=said) as refused:
        question(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("thinking", "thinks", "strict", "served"),
    [
        pytest.param(None, True, True, True, id="left out"),
        pytest.param(ThinkingEnabled(budget_tokens=1024), True, True, True, id="enabled"),
        pytest.param(ThinkingAdaptive(), True, True, True, id="adaptive"),
        pytest.param(ThinkingDisabled(), True, True, False, id="disabled"),
        pytest.param(ThinkingDisabled(), True, False, False, id="disabled, OpenRouter"),
        pytest.param(ThinkingEnabled(budget_tokens=1024), False, True, False, id="instruct"),
        pytest.param(
            ThinkingEnabled(budget_tokens=1024), False, False, True, id="instruct, OpenRouter"
        ),
        pytest.param(ThinkingAdaptive(), False, True, True, id="instruct adapts"),
        pytest.param(ThinkingDisabled(), False, True, True, id="instruct disabled"),
    ],
)
def test_thinking_is_what_the_model_does(
    thinking: Any, thinks: bool, strict: bool, served: bool
) -> None:
    """A thought that must not be, or cannot be, is refused with what to leave out."""
    if served:
        check_thinking(thinking, thinks=thinks, strict=strict)
        return
    with pytest.raises(BadRequest, match="Leave 'thinking' out") as refused:
        check_thinking(thinking, thinks=thinks, strict=strict)
    assert refused.value.param == "thinking.type"


def test_pictures_have_the_names_of_their_fields() -> None:
    """Every picture is named by where it stands in Anthropic's request, in order."""
    shown = question(
        messages=[
            HI,
            {"role": "user", "content": [text("a"), LINK, PNG]},
            {"role": "assistant", "content": [CALLED]},
            {
                "role": "user",
                "content": [result(content="x"), result(content=[text("b"), PNG]), PNG],
            },
        ]
    )
    assert shown.media_origins == [
        "messages[1].content[1].source.url",
        "messages[1].content[2].source.data",
        "messages[3].content[1].content[1].source.data",
        "messages[3].content[2].source.data",
    ]


def test_a_long_text_of_a_calls_input_is_put_back() -> None:
    """What is cut out of the body because of its name is whole again in the arguments."""
    lines = "a line\n" + "漢" * 3000 + "\tits end"
    called = CALLED | {"input": {"data": lines, "n": [1, {"data": f'"{lines}"'}]}}
    shown = question(messages=[HI, {"role": "assistant", "content": [called]}, HI])
    [call] = msgspec.to_builtins(shown.request)["messages"][1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == called["input"]
