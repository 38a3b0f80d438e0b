"""The fixed examination: 200 questions a task, each with a rule that tells a right answer."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving.tiny_model import curriculum
from serving.tiny_model.curriculum import PICTURE_TASKS, Message, Sample
from serving.tiny_model.exam_pictures import FORMATS, SIZES, encode, render

SPLIT = "exam"
QUESTIONS = 200
TASKS = (
    "colour", "kind", "count", "describe", "json",
    "addition", "aloud", "tool_call", "tool_answer", "cut_thought",
)  # fmt: skip
JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"type": "string"},
        "kind": {"type": "string"},
        "count": {"type": "integer"},
    },
    "required": ["colour", "kind", "count"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request body (without model and sampling) and what its answer must be."""

    task: str
    body: dict[str, Any]
    is_right: Callable[[dict[str, Any]], bool]


def question(task: str, index: int) -> Question:
    """Return question `index` of a task; the same arguments always give the same bytes."""
    rng = random.Random(f"{SPLIT}/{task}/{index}/form")  # noqa: S311 — reproducible, not secret
    asked = "colour" if task == "cut_thought" else task
    size = SIZES[index % len(SIZES)]
    aspect = size[0] / size[1]
    sample = curriculum.sample(f"{SPLIT}-{task}", asked, index, aspect)
    body: dict[str, Any] = {"messages": [_sent(m, sample, size, rng) for m in sample.messages]}
    if sample.tools:
        body["tools"] = list(sample.tools)
    if task == "cut_thought":
        body["thinking_token_budget"] = rng.randint(1, 5)
    if task == "json" and index % 2:
        schema = {"name": "scene", "schema": JSON_SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return Question(task, body, _rule(sample))


def _sent(
    message: Message, sample: Sample, size: tuple[int, int], rng: random.Random
) -> dict[str, Any]:
    """Turn a curriculum message into an API message: pictures as data URLs, calls with ids."""
    sent = {k: v for k, v in message.items() if k != "reasoning_content"}
    if isinstance(sent["content"], list):
        sent["content"] = [
            _picture(sample, size, rng) if part["type"] == "image" else part
            for part in sent["content"]
        ]
    if "tool_calls" in sent:
        function = sent["tool_calls"][0]["function"]
        arguments = json.dumps(function["arguments"])
        call = {
            "id": "call_1",
            "type": "function",
            "function": {**function, "arguments": arguments},
        }
        sent["tool_calls"] = [call]
    if sent["role"] == "tool":
        sent["tool_call_id"] = "call_1"
    return sent


def _picture(sample: Sample, size: tuple[int, int], rng: random.Random) -> dict[str, Any]:
    if sample.scene is None:
        raise ValueError(f"a {sample.task} sample has no picture")
    name = rng.choice(FORMATS)
    packed = base64.b64encode(encode(render(sample.scene, *size), name, rng)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{name.lower()};base64,{packed}"}}


def _rule(sample: Sample) -> Callable[[dict[str, Any]], bool]:
    """Compare JSON and calls by value, everything else by its exact text."""
    if sample.task == "tool_call":
        call = json.loads(sample.answer.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        return lambda message: _calls(message) == [(call["name"], call["arguments"])]
    if sample.task == "json":
        expected = json.loads(sample.answer)
        return lambda message: _parsed(message.get("content")) == expected
    return lambda message: message.get("content") == sample.answer


def _calls(message: dict[str, Any]) -> list[tuple[str, Any]]:
    functions = [call["function"] for call in message.get("tool_calls") or []]
    return [(function["name"], _parsed(function["arguments"])) for function in functions]


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def is_about_picture(task: str) -> bool:
    """Tell whether a task's questions carry a picture."""
    return task in PICTURE_TASKS or task == "cut_thought"
