"""The fixed examination: 200 questions a task, each with a rule that tells a right answer."""

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from serving.tiny_model import curriculum
from serving.tiny_model.exam_pictures import FORMATS, SIZES, encode, render
from serving.tiny_model.exam_videos import VIDEO_FORMATS, VIDEO_SIZES, film
from serving.tiny_model.samples import Message, Picture, Sample

SPLIT = "exam"
QUESTIONS = 200
FIRST_SET = (
    "colour", "kind", "count", "describe", "json",
    "addition", "aloud", "tool_call", "tool_answer", "cut_thought",
)  # fmt: skip
SECOND_SET = (
    "place", "beside", "digits", "which_picture", "one_of_two", "video", "frames", "second_turn",
    "history",
)  # fmt: skip
TASKS = FIRST_SET
# Half of all numbers stand in strips, like those of a meter or a number plate.
DIGIT_SIZES = (
    (96, 96), (160, 120), (320, 64), (320, 240), (512, 128), (480, 640), (640, 160), (800, 600),
    (900, 200), (960, 192), (1280, 320), (1920, 1080),
)  # fmt: skip
FRAME_SIZES = ((64, 64), (96, 64), (128, 128), (160, 120), (224, 224), (320, 240))
SIZES_OF = {"digits": DIGIT_SIZES, "frames": FRAME_SIZES, "video": VIDEO_SIZES}
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

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """One request body (without model and sampling) and what its answer must be."""

    task: str
    body: dict[str, Any]
    is_right: Callable[[dict[str, Any]], bool]


def question(task: str, index: int) -> Question:
    """Return question `index` of a task; the same arguments always give the same bytes."""
    rng = random.Random(f"{SPLIT}/{task}/{index}/form")  # noqa: S311 — reproducible, not secret
    sample, size = sample_behind(task, index), size_of(task, index)
    pictures = iter(sample.pictures)
    messages = [_sent(message, sample.task, pictures, size, rng) for message in sample.messages]
    body: dict[str, Any] = {"messages": messages}
    if sample.tools:
        body["tools"] = list(sample.tools)
    if task == "cut_thought":
        body["thinking_token_budget"] = rng.randint(1, 5)
    if task == "json" and index % 2:
        schema = {"name": "scene", "schema": JSON_SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return Question(task, body, _rule(sample))


def sample_behind(task: str, index: int) -> Sample:
    """Return the sample of the curriculum that a question is made of."""
    asked = "colour" if task == "cut_thought" else task
    width, height = size_of(task, index)
    return curriculum.sample(f"{SPLIT}-{task}", asked, index, width / height)


def size_of(task: str, index: int) -> Size:
    """Return the width and height in pixels of a question's pictures, if it has any."""
    sizes = SIZES_OF.get(task, SIZES)
    return sizes[index % len(sizes)]


def _sent(
    message: Message, task: str, pictures: Iterator[Picture], size: Size, rng: random.Random
) -> dict[str, Any]:
    """Turn a curriculum message into an API message: media as data URLs, calls with ids."""
    sent = dict(message)
    if isinstance(sent["content"], list):
        sent["content"] = [_part(part, pictures, size, rng) for part in sent["content"]]
    thought = sent.pop("reasoning_content", None)
    if thought and task != "tool_answer":
        _keep_thought(sent, thought, rng)
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


def _keep_thought(sent: dict[str, Any], thought: str, rng: random.Random) -> None:
    """Send an old thought back in one of the ways of clients that keep it."""
    form = rng.choice(("reasoning_content", "reasoning", "content"))
    if form == "content":
        sent["content"] = f"<think>\n{thought}\n</think>\n\n{sent['content']}"
    else:
        sent[form] = thought


def _part(
    part: Message, pictures: Iterator[Picture], size: Size, rng: random.Random
) -> dict[str, Any]:
    if part["type"] == "image":
        name = rng.choice(FORMATS)
        return _media("image", name, encode(render(next(pictures), *size), name, rng))
    if part["type"] == "video":
        name = rng.choice(VIDEO_FORMATS)
        shown = [render(picture, *size) for picture in pictures]
        return _media("video", name, film(shown, name, rng))
    return part


def _media(kind: str, name: str, packed: bytes) -> dict[str, Any]:
    url = f"data:{kind}/{name.lower()};base64,{base64.b64encode(packed).decode()}"
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


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
