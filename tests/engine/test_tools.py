"""The tool loop with the official client: call, result, answer."""

import json
from typing import Any

import openai
import pytest

MODEL = "tiny-qwen3-vl"
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"get_{subject}",
            "description": f"Get the {subject} of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for subject in ("weather", "time")
]
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def test_tool_loop_ends_in_an_answer(client: openai.OpenAI) -> None:
    """The model calls the right tool with the right city, and uses the tool's result."""
    reply = client.chat.completions.create(model=MODEL, messages=[QUESTION], tools=TOOLS)
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    history = [QUESTION, choice.message.model_dump(exclude_none=True), result]
    answer = client.chat.completions.create(model=MODEL, messages=history, tools=TOOLS)
    assert answer.choices[0].message.content == "It is sunny in Paris."
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "choice", [pytest.param("required", id="required"), pytest.param(NAMED, id="named")]
)
def test_forced_call_comes_after_the_thought(client: openai.OpenAI, choice: Any) -> None:
    """A call that the request forces is well formed, and the thought before it is whole."""
    reply = client.chat.completions.create(
        model=MODEL, messages=[QUESTION], tools=TOOLS, tool_choice=choice
    )
    message = reply.choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert not message.content
    assert "weather in Paris" in message.model_extra["reasoning"]
