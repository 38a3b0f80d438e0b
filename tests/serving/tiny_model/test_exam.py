"""The exam is fixed, its rules take right answers alone, and its pictures show what they ask."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from serving.tiny_model import exam
from serving.tiny_model.exam import (
    FIRST_SET,
    QUESTIONS,
    SECOND_SET,
    TASKS,
    question,
    sample_behind,
    size_of,
)
from serving.tiny_model.samples import Picture
from serving.tiny_model.scenes import COLOURS, Scene, Shape

FEW = (0, 7, 51, 199)
# Of all questions' words, pictures and answers: a change makes scores of before and after
# strangers.
FIRST = "700e89dad3864b1e"
SECOND = "b3dc5f86d56c562a"
PICTURE_TASKS = [task for task in TASKS if task != "video" and sample_behind(task, 0).pictures]


def said(content: str | None, *calls: tuple[str, str]) -> dict[str, Any]:
    """Write an answer's message."""
    tool_calls = [{"function": {"name": name, "arguments": text}} for name, text in calls]
    return {"role": "assistant", "content": content, "tool_calls": tool_calls or None}


def media_of(body: dict[str, Any], kind: str = "image") -> list[tuple[str, bytes]]:
    """Return the media types and bytes of a request's pictures or videos, in their order."""
    contents = [m["content"] for m in body["messages"] if isinstance(m["content"], list)]
    parts = [part for content in contents for part in content if part["type"] == f"{kind}_url"]
    urls = [
        part[f"{kind}_url"]["url"].removeprefix("data:").partition(";base64,") for part in parts
    ]
    return [(named, base64.b64decode(packed, validate=True)) for named, _, packed in urls]


def pictures_of(body: dict[str, Any]) -> list[Image.Image]:
    """Open a request's pictures as a client's server would; each is what it is labelled as."""
    opened = []
    for kind, packed in media_of(body):
        picture = Image.open(io.BytesIO(packed))
        assert kind == f"image/{(picture.format or '').lower()}"
        opened.append(picture.convert("RGB"))
    return opened


def colour_at(picture: Image.Image, shape: Shape) -> str:
    """Name the colour in the middle of a shape."""
    unit = min(picture.size)
    pixel = np.asarray(picture)[int(shape.y * unit), int(shape.x * unit)].tolist()
    return min(COLOURS, key=lambda name: math.dist(COLOURS[name], pixel))


def scenes_of(pictures: Sequence[Picture]) -> list[Scene]:
    """Return what is shown, a pair as two scenes; numbers are left out."""
    layers = [layer for picture in pictures for layer in picture.layers]
    return [layer for layer in layers if isinstance(layer, Scene)]


def fingerprint(tasks: Sequence[str]) -> str:
    """Return a hash of all words, pictures and answers of the tasks' questions."""
    samples = [repr(sample_behind(task, index)) for task in tasks for index in range(QUESTIONS)]
    assert len(samples) == 200 * len(tasks)
    return hashlib.sha256("\n".join(samples).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("tasks", "known"), [(FIRST_SET, FIRST), (SECOND_SET, SECOND)])
def test_the_exam_is_the_one_whose_scores_are_published(tasks: Sequence[str], known: str) -> None:
    """All 3,800 questions are still the same, whatever made them."""
    assert fingerprint(tasks) == known


@pytest.mark.parametrize("task", TASKS)
def test_a_question_is_the_same_bytes_every_time(task: str) -> None:
    """Pictures included, a request body is a function of task and index."""
    bodies = [[json.dumps(question(task, index).body) for index in FEW] for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert len(set(bodies[0])) == len(FEW)


@pytest.mark.parametrize("task", PICTURE_TASKS)
def test_a_questions_pictures_show_what_is_asked_about(task: str) -> None:
    """They open as they are labelled, at their size and in order, in the colours asked for."""
    for index in FEW:
        body, shown = question(task, index).body, sample_behind(task, index).pictures
        opened = pictures_of(body)
        assert len(opened) == len(shown)
        assert {picture.size for picture in opened} == {size_of(task, index)}
        for picture, what in zip(opened, shown, strict=True):
            for scene in scenes_of([what]):
                assert colour_at(picture, scene.shapes[0]) == scene.colour


def test_a_video_shows_its_colours_in_order() -> None:
    """Decoded at two frames a second, as the engine reads it, each picture fills two of them."""
    for index in (*FEW, *range(8, 14)):
        ((kind, packed),) = media_of(question("video", index).body, "video")
        shown = scenes_of(sample_behind("video", index).pictures)
        with av.open(io.BytesIO(packed), "r") as file:
            assert kind.removeprefix("video/") in file.format.name
            rate = file.streams.video[0].average_rate
            frames = [frame.to_image() for frame in file.decode(video=0)]
        assert rate
        assert len(frames) == rate * len(shown)
        read = np.linspace(0, len(frames) - 1, 2 * len(shown)).round().astype(int)
        seen = [colour_at(frames[n], shown[0].shapes[0]) for n in read]
        assert seen == [scene.colour for scene in shown for _ in range(2)]


def test_numbers_stand_in_strips_half_of_the_time() -> None:
    """Only there a resize that ignores the aspect does harm that is certain to be seen."""
    aspects = [size_of("digits", index) for index in range(QUESTIONS)]
    strips = [width >= 4 * height for width, height in aspects]
    assert 0.4 <= sum(strips) / QUESTIONS <= 0.6


def test_old_thoughts_come_back_in_all_the_ways_of_clients() -> None:
    """As `reasoning`, as `reasoning_content` and in the text, or not at all; never as the only word
    of a turn."""
    for task in ("history", "second_turn"):
        seen = set()
        for index in range(40):
            for message in question(task, index).body["messages"]:
                if message["role"] == "assistant":
                    assert message["content"]
                    inside = {"text"} if "</think>" in message["content"] else set()
                    fields = message.keys() & {"reasoning", "reasoning_content"}
                    seen.add(frozenset(fields | inside))
        assert seen == {
            frozenset(),
            frozenset({"text"}),
            frozenset({"reasoning"}),
            frozenset({"reasoning_content"}),
        }


@pytest.mark.parametrize("task", [t for t in TASKS if t not in ("json", "tool_call")])
def test_an_exact_answer_is_right_and_another_is_wrong(task: str) -> None:
    """Only the expected words count: no more, no fewer, no thought in front."""
    for index in FEW:
        asked, answer = question(task, index), sample_behind(task, index).answer
        assert asked.is_right(said(answer))
        for wrong in (None, "", answer + ".", f"\n\n{answer}", f"</think>{answer}", "7 of them"):
            assert not asked.is_right(said(wrong)), wrong


def test_json_is_compared_by_value() -> None:
    """Order and white space are free; another value, type, key or form is wrong."""
    for index in FEW:
        asked = question("json", index)
        (scene,) = scenes_of(sample_behind("json", index).pictures)
        fields = {"count": scene.count, "kind": scene.kind, "colour": scene.colour}
        assert asked.is_right(said(json.dumps(fields, indent=2)))
        wrong: list[dict[str, Any]] = [
            {**fields, "count": scene.count + 1},
            {**fields, "count": str(scene.count)},
            {**fields, "more": 1},
            {"colour": scene.colour},
        ]
        for other in wrong:
            assert not asked.is_right(said(json.dumps(other)))
        for text in (None, "", "red", f"```json\n{json.dumps(fields)}\n```"):
            assert not asked.is_right(said(text))


def test_a_call_is_compared_by_name_and_arguments() -> None:
    """One call of the right function counts, however its JSON is spaced; text does not."""
    for index in FEW:
        asked = question("tool_call", index)
        text = sample_behind("tool_call", index).answer.split("\n")[1]
        call = json.loads(text)
        name, arguments = call["name"], json.dumps(call["arguments"])
        assert asked.is_right(said(None, (name, arguments)))
        assert asked.is_right(said("", (name, arguments.replace(": ", " :\n"))))
        wrong = [
            said(text),
            said(None),
            said(None, (f"{name}s", arguments)),
            said(None, (name, "{}")),
            said(None, (name, arguments[:-1])),
            said(None, (name, arguments), (name, arguments)),
        ]
        assert not any(asked.is_right(message) for message in wrong)


def test_requests_are_in_the_apis_form() -> None:
    """Nothing of the curriculum's own spelling reaches the endpoint."""
    for index in range(30):
        messages = question("tool_answer", index).body["messages"]
        call, result = messages[-2:]
        assert isinstance(call["tool_calls"][0]["function"]["arguments"], str)
        assert result["tool_call_id"] == call["tool_calls"][0]["id"]
        assert all("reasoning_content" not in message for message in messages)


def test_tasks_ask_for_what_they_are_named_after() -> None:
    """Cut thoughts have a small budget, every second JSON question a schema, calls have tools."""
    budgets = {question("cut_thought", index).body["thinking_token_budget"] for index in range(15)}
    assert budgets <= {1, 2, 3, 4, 5}
    assert len(budgets) > 2
    schemas = ["response_format" in question("json", index).body for index in range(6)]
    assert schemas == [False, True] * 3
    assert all(question("tool_call", index).body["tools"] for index in range(6))
    assert exam.JSON_SCHEMA["required"] == ["colour", "kind", "count"]
