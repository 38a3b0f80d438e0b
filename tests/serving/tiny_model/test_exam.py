"""The exam is fixed, its rules take right answers alone, and its pictures show what they ask."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.tiny_model import curriculum, exam
from serving.tiny_model.curriculum import Sample
from serving.tiny_model.exam import QUESTIONS, TASKS, is_about_picture, question
from serving.tiny_model.exam_pictures import SIZES
from serving.tiny_model.scenes import COLOURS

FEW = (0, 7, 51, 199)
# Of all questions' words, scenes and answers: a change makes scores of before and after strangers.
FINGERPRINT = "589598ec7ec98cb5"


def sample_behind(task: str, index: int) -> Sample:
    """Return the sample that a question was made of."""
    width, height = SIZES[index % len(SIZES)]
    asked = "colour" if task == "cut_thought" else task
    return curriculum.sample(f"exam-{task}", asked, index, width / height)


def said(content: str | None, *calls: tuple[str, str]) -> dict[str, Any]:
    """Write an answer's message."""
    tool_calls = [{"function": {"name": name, "arguments": text}} for name, text in calls]
    return {"role": "assistant", "content": content, "tool_calls": tool_calls or None}


def picture_of(body: dict[str, Any]) -> tuple[str, Image.Image]:
    """Open the one picture of a request as a client's server would."""
    parts = [p for m in body["messages"] if isinstance(m["content"], list) for p in m["content"]]
    (url,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    kind, _, packed = url.removeprefix("data:").partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(packed, validate=True)))


def test_the_exam_is_the_one_whose_scores_are_published() -> None:
    """All 2,000 questions are still the same, whatever made them."""
    samples = [repr(sample_behind(task, index)) for task in TASKS for index in range(QUESTIONS)]
    assert len(samples) == 2000
    assert hashlib.sha256("\n".join(samples).encode()).hexdigest()[:16] == FINGERPRINT


@pytest.mark.parametrize("task", TASKS)
def test_a_question_is_the_same_bytes_every_time(task: str) -> None:
    """Pictures included, a request body is a function of task and index."""
    bodies = [[json.dumps(question(task, index).body) for index in FEW] for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert len(set(bodies[0])) == len(FEW)


@pytest.mark.parametrize("task", [task for task in TASKS if is_about_picture(task)])
def test_a_questions_picture_shows_its_scene(task: str) -> None:
    """The picture opens as it is labelled, at its size, and its shapes have the asked colour."""
    for index in FEW:
        kind, picture = picture_of(question(task, index).body)
        scene = sample_behind(task, index).scene
        assert scene is not None
        assert kind == f"image/{(picture.format or '').lower()}"
        assert picture.size == SIZES[index % len(SIZES)]
        shape = scene.shapes[0]
        unit = min(picture.size)
        pixel = picture.convert("RGB").getpixel((int(shape.x * unit), int(shape.y * unit)))
        nearest = min(COLOURS, key=lambda name: np.linalg.norm(np.subtract(COLOURS[name], pixel)))
        assert nearest == scene.colour


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
        asked, scene = question("json", index), sample_behind("json", index).scene
        assert scene is not None
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
