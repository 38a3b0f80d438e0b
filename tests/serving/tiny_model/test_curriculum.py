"""Samples depend on their arguments alone, render through the template, and are never shared."""

from __future__ import annotations

import hashlib
import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from serving.tiny_model import curriculum
from serving.tiny_model.curriculum import TASKS
from serving.tiny_model.exam_pictures import render
from serving.tiny_model.first_set import PICTURE_TASKS
from serving.tiny_model.pictures import draw
from serving.tiny_model.scenes import Scene

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

    from serving.tiny_model.samples import Sample

PLACES = {
    "image": "<|vision_start|><|image_pad|><|vision_end|>",
    "video": "<|vision_start|><|video_pad|><|vision_end|>",
}
# As the trainer, its validation and the examiner spell their splits.
SPLITS = ("train-0", "validation-0", "exam-colour")


@pytest.mark.parametrize("task", TASKS)
def test_the_same_arguments_give_the_same_sample(task: str) -> None:
    """A sample is a function of split, task and index, and of nothing drawn before."""
    first = [curriculum.sample("s", task, index) for index in range(20)]
    again = [curriculum.sample("s", task, index) for index in reversed(range(20))]
    assert again[::-1] == first
    assert len({repr(sample) for sample in first}) > 1


def parts(sample: Sample, kind: str) -> int:
    """Return how many parts of a kind a sample's messages have."""
    contents = [m["content"] for m in sample.messages if isinstance(m["content"], list)]
    return sum(part["type"] == kind for content in contents for part in content)


def test_every_task_belongs_to_one_form() -> None:
    """No task is named twice, and each one's samples are of its own name."""
    forms = (curriculum.ONE_PICTURE, curriculum.PICTURES, curriculum.VIDEO, curriculum.TEXT)
    assert sorted(task for form in forms for task in form) == sorted(set(TASKS))
    assert all(curriculum.sample("s", task, 0).task == task for task in TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_form_says_which_pictures_its_questions_have(task: str) -> None:
    """One picture, several in parts of their own, several that one video shows, or none."""
    for index in range(20):
        sample = curriculum.sample("s", task, index, 1.5)
        shown, images, videos = len(sample.pictures), parts(sample, "image"), parts(sample, "video")
        if task in curriculum.ONE_PICTURE:
            assert (shown, images, videos) == (1, 1, 0)
        elif task in curriculum.PICTURES:
            assert (shown, videos) == (images, 0)
            assert 2 <= shown <= 8
        elif task in curriculum.VIDEO:
            assert (images, videos) == (0, 1)
            assert 2 <= shown <= 4
        else:
            assert (shown, images, videos) == (0, 0, 0)
        assert all(picture.aspect == 1.5 for picture in sample.pictures)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_renders(task: str, processor: Qwen3VLProcessor) -> None:
    """The prompt shows question, picture and tools, and ends in an open thought."""
    for index in range(12):
        sample = curriculum.sample("render", task, index)
        prompt = processor.apply_chat_template(
            list(sample.messages),
            tools=list(sample.tools) or None,
            add_generation_prompt=True,
            tokenize=False,
        )
        assert prompt.endswith("<|im_start|>assistant\n<think>\n")
        for kind, place in PLACES.items():
            assert prompt.count(place) == prompt.count(f"<|{kind}_pad|>") == parts(sample, kind)
        question = next(m for m in reversed(sample.messages) if m["role"] == "user")["content"]
        texts = [question] if isinstance(question, str) else [p.get("text", "") for p in question]
        assert all(text in prompt for text in texts)
        assert all(tool["function"]["name"] in prompt for tool in sample.tools)


def worn_alike() -> random.Random:
    """Return the same wear for every picture, so that only scenes tell them apart."""
    return random.Random(0)


@pytest.mark.parametrize("task", ["colour", "digits", "beside"])
def test_no_two_splits_share_a_picture(task: str) -> None:
    """Forty pictures a split, drawn by either renderer, are all different."""
    hashes = []
    for split in SPLITS:
        for index in range(40):
            (shown,) = curriculum.sample(split, task, index).pictures
            for picture in (draw(shown, 96, 96, worn_alike()), render(shown, 96, 96)):
                hashes.append(hashlib.sha256(picture.tobytes()).hexdigest())
    assert len(set(hashes)) == len(hashes) == 2 * 40 * len(SPLITS)


@pytest.mark.parametrize("task", PICTURE_TASKS)
def test_answers_about_pictures_say_what_is_shown(task: str) -> None:
    """The answer agrees with the scene, and the thought holds all that may be asked."""
    for index in range(30):
        sample = curriculum.sample("s", task, index)
        (scene,) = sample.pictures
        assert isinstance(scene, Scene)
        number = len(scene.shapes)
        several = "s" if number > 1 else ""
        expected = {
            "colour": scene.colour,
            "kind": scene.kind,
            "count": str(number),
            "describe": f"{number} {scene.colour} {scene.kind}{several}",
            "json": {"colour": scene.colour, "kind": scene.kind, "count": number},
        }[task]
        assert (json.loads(sample.answer) if task == "json" else sample.answer) == expected
        assert sample.thought == f"I see {number} {scene.colour} {scene.kind}{several}."


def test_sums_are_right() -> None:
    """The answer is the sum of the numbers in the question."""
    for index in range(100):
        sample = curriculum.sample("s", "addition", index)
        first, second = re.findall(r"\d+", sample.messages[-1]["content"])
        assert int(sample.answer) == int(first) + int(second)
        assert sample.thought == f"{first} plus {second} is {sample.answer}."


def test_counting_aloud_names_every_number() -> None:
    """The thought counts from 1 to the last number of the question, which is the answer."""
    for index in range(60):
        sample = curriculum.sample("s", "aloud", index)
        wanted = int(re.findall(r"\d+", sample.messages[-1]["content"])[-1])
        assert [int(n) for n in re.findall(r"\d+", sample.thought)] == list(range(1, wanted + 1))
        assert sample.answer == str(wanted)


def test_tool_calls_use_an_offered_tool_as_it_is_declared() -> None:
    """Name and parameter of the call are those of a declared function; the city is the user's."""
    for index in range(60):
        sample = curriculum.sample("s", "tool_call", index)
        body = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", sample.answer)
        assert body
        call = json.loads(body[1])
        declared = {tool["function"]["name"]: tool["function"] for tool in sample.tools}
        parameters = declared[call["name"]]["parameters"]
        assert set(call["arguments"]) == set(parameters["required"])
        assert all(city in sample.messages[-1]["content"] for city in call["arguments"].values())


def test_tool_answers_repeat_the_result_for_the_city_asked() -> None:
    """The answer joins what the tool said with the city of the question."""
    for index in range(60):
        sample = curriculum.sample("s", "tool_answer", index)
        question, call, result = sample.messages[-3:]
        (city,) = call["tool_calls"][0]["function"]["arguments"].values()
        said = re.fullmatch(rf"It is (\w+) in {city}\.", sample.answer)
        assert said
        assert said[1] in result["content"]
        assert city in question["content"]
        assert sample.thought == f"The tool says {said[1]}."
