"""Tools and schemas: a call with the right arguments, the answer after its result, valid JSON."""

import json
from typing import Any

from serving.verify.answer import Answer, ask, ask_streamed
from serving.verify.check import Check
from serving.verify.client import Endpoint
from serving.verify.judgement import ShippedPicture, names, shipped_pictures
from serving.verify.verdict import Failed, expect

QUESTION = "What is the weather in Paris?"
NAME = "get_weather"
DESCRIPTION = "Get the weather of a city"
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOL = {
    "type": "function",
    "function": {"name": NAME, "description": DESCRIPTION, "parameters": PARAMETERS},
}
RESULT = "sunny"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green", "blue", "yellow"]},
        "kind": {"enum": ["circle", "square", "triangle"]},
        "count": {"type": "integer"},
    },
    "required": ["colour", "kind", "count"],
    "additionalProperties": False,
}


def expect_weather_call(name: str, arguments: str) -> str:
    """Judge a call by its name and its arguments, still encoded; return it in words."""
    seen = f"{name}({arguments})"
    city = _decoded(arguments).get("city")
    expect(name == NAME and names(str(city), ["paris"]), seen)
    return seen


async def call(endpoint: Endpoint) -> str:
    """The model asks for the tool, and nothing else is said."""
    answer = await ask(endpoint, QUESTION, tools=[TOOL])
    expect(answer.finish_reason == "tool_calls", f"finish_reason {answer.finish_reason}")
    return _only_call(answer)


async def forced_call(endpoint: Endpoint) -> str:
    """A call that the request demands is whole in a stream too."""
    answer, _ = await ask_streamed(endpoint, QUESTION, tools=[TOOL], tool_choice="required")
    return _only_call(answer)


async def answer_after_result(endpoint: Endpoint) -> str:
    """The tool's result becomes the answer."""
    asked = await ask(endpoint, QUESTION, tools=[TOOL])
    _only_call(asked)
    history = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", **asked.message},
        {
            "role": "tool",
            "tool_call_id": asked.message["tool_calls"][0].get("id"),
            "content": RESULT,
        },
    ]
    answer = await ask(endpoint, None, messages=history, tools=[TOOL])
    expect(names(answer.content, [RESULT]), answer.content or "an empty answer")
    return answer.content


def _only_call(answer: Answer) -> str:
    expect(len(answer.calls) == 1, f"{len(answer.calls)} calls; content: {answer.content}")
    return expect_weather_call(*answer.calls[0])


def _decoded(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failed(f"no JSON object: {text}")
    return found


async def schema(endpoint: Endpoint) -> str:
    """The answer about a picture is JSON of the given schema, and right."""
    picture = described_picture()
    content = [picture.part, {"type": "text", "text": "Describe the picture as JSON."}]
    form = {"type": "json_schema", "json_schema": {"name": "scene", "schema": SCHEMA}}
    answer = await ask(endpoint, content, response_format=form)
    found = _decoded(answer.content)
    expect(set(found) == set(SCHEMA["required"]), answer.content)
    count, colour, kind = picture.accepted
    right = str(found["count"]) in count and found["colour"] in colour and found["kind"] in kind
    expect(right, answer.content)
    return answer.content


def described_picture() -> ShippedPicture:
    """Return a picture whose right answer tells count, colour and kind."""
    return next(
        each for each in shipped_pictures() if len(each.accepted) == len(SCHEMA["required"])
    )


CHECKS = (
    Check("tools: call", f"{NAME} with Paris", call),
    Check("tools: forced call, streamed", f"{NAME} with Paris", forced_call),
    Check("tools: answer after the result", RESULT, answer_after_result),
    Check("schema: picture as JSON", "an object of the schema, and right", schema),
)
