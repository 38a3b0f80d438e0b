"""The second set's answers follow from pictures and earlier turns, as another reader sees them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serving.tiny_model import curriculum, first_set, second_set
from serving.tiny_model.exam_pictures import render
from serving.tiny_model.scenes import COLOURS, KINDS, Pair, Scene

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

    from serving.tiny_model.samples import Message, Sample

MANY = 80
ORDINALS = ("first", "second")


def drawn(task: str, aspect: float = 1.0) -> list[Sample]:
    """Return many samples of a task."""
    return [curriculum.sample("second", task, index, aspect) for index in range(MANY)]


def asked(message: Message) -> str:
    """Return the text of a message."""
    content = message["content"]
    if isinstance(content, str):
        return content
    (text,) = [part["text"] for part in content if part["type"] == "text"]
    return str(text)


def scenes_of(sample: Sample) -> list[Scene]:
    """Return the pictures of a sample that shows nothing but scenes."""
    return [picture for picture in sample.pictures if isinstance(picture, Scene)]


def words(text: str) -> set[str]:
    """Return the words of a text, in the singular."""
    return {word.lower().removesuffix("s") for word in re.findall(r"\w+", text)}


def described(scene: Scene) -> str:
    """Say what a scene shows, as many as there are."""
    number = len(scene.shapes)
    return f"{number} {scene.colour} {scene.kind}{'s' if number > 1 else ''}"


def answer_to(question: str, scene: Scene) -> str:
    """Answer a question about a scene by the words in it."""
    said = words(question)
    if said & {"many", "count"}:
        return str(len(scene.shapes))
    if said & {"colour", "color"}:
        return scene.colour
    if said & {"shape"}:
        return scene.kind
    return described(scene)


def parts(sample: Sample, kind: str) -> list[int]:
    """Return for each message how many parts of a kind it has."""
    return [
        sum(part["type"] == kind for part in message["content"])
        for message in sample.messages
        if isinstance(message["content"], list)
    ]


@pytest.mark.parametrize("aspect", [0.6, 1.0, 4.0])
def test_a_place_is_where_the_drawn_shape_is(aspect: float) -> None:
    """The pixels of the shape's colour lie to the side answered; the question names the shape."""
    for sample in drawn("place", aspect)[:30]:
        (scene,) = scenes_of(sample)
        picture = render(scene, round(64 * max(aspect, 1)), round(64 * max(1 / aspect, 1)))
        away = np.linalg.norm(np.asarray(picture, float) - np.array(scene.shade), axis=2)
        rows, columns = np.nonzero(away < 1)
        down, right = rows.mean() / picture.height - 0.5, columns.mean() / picture.width - 0.5
        towards = {"left": -right, "right": right, "top": -down, "bottom": down}
        assert sample.answer == max(towards, key=lambda name: towards[name])
        named = words(asked(sample.messages[-1])) & {*COLOURS, *KINDS}
        assert named <= {scene.colour, scene.kind}
        assert sample.thought == f"I see {described(scene)}. It is {sample.answer}."


def test_what_stands_beside_is_told_by_kind_colour_or_both() -> None:
    """The answer is about the side in the question, and the thought names both sides."""
    for sample in drawn("beside"):
        (pair,) = sample.pictures
        assert isinstance(pair, Pair)
        left, right = sorted(pair.layers, key=lambda scene: scene.shapes[0].x)
        (side,) = words(asked(sample.messages[-1])) & {"left", "right"}
        whole = answer_to(asked(sample.messages[-1]), left if side == "left" else right)
        assert sample.answer == whole.removeprefix("1 ")
        assert sample.thought == f"Left is {described(left)}, right is {described(right)}."


def test_the_digits_read_are_those_written() -> None:
    """Leading zeros included, the answer is the note's text."""
    samples = drawn("digits")
    for sample in samples:
        (note,) = sample.pictures
        assert not isinstance(note, Scene | Pair)
        assert sample.answer == note.digits
        assert sample.thought == f"I read {note.digits}."
    assert any(re.fullmatch("0[0-9]+", sample.answer) for sample in samples)


def test_a_second_turn_asks_something_else_about_the_first_turns_picture() -> None:
    """The picture stands in the first turn alone, and both answers agree with it."""
    for sample in drawn("second_turn"):
        (scene,) = scenes_of(sample)
        first, said, second = sample.messages[-3:]
        assert parts(sample, "image") == [1]
        assert isinstance(first["content"], list)
        assert said["content"] == answer_to(asked(first), scene)
        assert sample.answer == answer_to(asked(second), scene)
        assert said.get("reasoning_content", sample.thought) == sample.thought
        assert sample.thought == f"I see {described(scene)}."
        questions = [set(questions) for questions, _ in first_set.PICTURE_TASKS.values()]
        again = asked(second).removeprefix("And ")
        assert not any({asked(first), again[0].upper() + again[1:]} <= each for each in questions)


def test_exactly_one_picture_shows_what_is_asked_for() -> None:
    """Colours and kinds named in the question fit the picture answered and not the other.

    One shape is named with its article, several in the plural.
    """
    for sample in drawn("which_picture"):
        scenes = scenes_of(sample)
        question = asked(sample.messages[-1])
        named = words(question) & {*COLOURS, *KINDS}
        fitting = [
            ordinal
            for ordinal, scene in zip(ORDINALS, scenes, strict=True)
            if named <= {scene.colour, scene.kind}
        ]
        assert named
        assert fitting == [sample.answer]
        scene = scenes[ORDINALS.index(sample.answer)]
        if scene.kind in named:
            assert (f"{scene.kind}s" in question) == (len(scene.shapes) > 1)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", question)
        assert parts(sample, "image")[-1] == 2


def test_the_thought_finds_what_is_asked_for_in_its_own_words() -> None:
    """It begins with the question's words, and ends with those of what is seen and its ordinal."""
    for sample in drawn("which_picture"):
        sought, seen, found = sample.thought.removesuffix(".").split(". ")
        question = asked(sample.messages[-1])
        assert sought.removeprefix("Find ") in question
        assert words(sought) & {*COLOURS, *KINDS} == words(question) & {*COLOURS, *KINDS}
        assert f" {found.removeprefix('So ')}" in seen
        assert found.endswith(f" {sample.answer}")
        assert words(question) & {*COLOURS, *KINDS} <= words(found)


def test_one_of_two_pictures_is_told_apart_by_its_number() -> None:
    """The answer is about the picture whose ordinal stands in the question."""
    for sample in drawn("one_of_two"):
        question = asked(sample.messages[-1])
        (ordinal,) = words(question) & set(ORDINALS)
        scene = scenes_of(sample)[ORDINALS.index(ordinal)]
        assert sample.answer == answer_to(question, scene)


@pytest.mark.parametrize("task", ["which_picture", "one_of_two"])
def test_a_thought_about_two_pictures_tells_of_both(task: str) -> None:
    """It holds all that may be asked, in the pictures' order; they differ in kind and colour."""
    for sample in drawn(task):
        first, second = scenes_of(sample)
        seen = described(first), described(second)
        form, sentences = {
            "which_picture": ("I see {} first, {} second.", 3),
            "one_of_two": ("The first shows {}, the second {}.", 1),
        }[task]
        said = re.findall(r"[^.]+\.", sample.thought)
        assert len(said) == sentences
        assert said[sentences // 2].strip() == form.format(*seen)
        assert (first.kind != second.kind, first.colour != second.colour) == (True, True)


@pytest.mark.parametrize(("task", "kind", "most"), [("frames", "image", 8), ("video", "video", 4)])
def test_colours_are_told_in_the_order_in_which_they_come(task: str, kind: str, most: int) -> None:
    """Pictures one after another show the colours of the answer, each once, and nothing else new.

    Frames are parts of their own; a video is one, whose pictures are shown by two frames each.
    """
    lengths = set()
    for sample in drawn(task):
        scenes = scenes_of(sample)
        lengths.add(len(scenes))
        colours = [colour for colour, _ in groupby(scene.colour for scene in scenes)]
        assert sample.answer.split(", ") == colours
        between = colours[1] if len(colours) == 3 else "nothing"
        assert sample.thought == f"First {colours[0]}, last {colours[-1]}, between {between}."
        assert len(set(colours)) == len(colours) in (2, 3)
        assert len({(scene.kind, scene.shapes) for scene in scenes}) == 1
        assert parts(sample, kind)[-1] == (len(scenes) if kind == "image" else 1)
    assert lengths == set(range(2, most + 1))


def test_history_repeats_an_answer_of_an_earlier_turn() -> None:
    """The first or last answer given is asked for; each turn before is one of sums or counting."""
    turns = set()
    for sample in drawn("history"):
        said = [message for message in sample.messages if message["role"] == "assistant"]
        answers = [message["content"] for message in said]
        (which,) = words(asked(sample.messages[-1])) & {"first", "last"}
        assert sample.answer == answers[0 if which == "first" else -1]
        assert sample.thought == f"My {which} answer is {sample.answer}."
        roles = [message["role"] for message in sample.messages if message["role"] != "system"]
        assert roles == ["user", "assistant"] * len(said) + ["user"]
        turns.add(len(said))
    assert turns == {1, 2, 3}


def rendered(sample: Sample, processor: Qwen3VLProcessor) -> Any:
    """Return a sample's prompt."""
    return processor.apply_chat_template(
        list(sample.messages), add_generation_prompt=True, tokenize=False
    )


@pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
@pytest.mark.parametrize("task", ["second_turn", "history"])
def test_thoughts_of_earlier_turns_are_gone_from_the_prompt(
    task: str, processor: Qwen3VLProcessor
) -> None:
    """Clients mostly give them back; what is asked is answered without them."""
    given = 0
    for sample in drawn(task):
        thoughts = [m["reasoning_content"] for m in sample.messages if "reasoning_content" in m]
        prompt = rendered(sample, processor)
        assert not [thought for thought in thoughts if thought in prompt]
        given += bool(thoughts)
    assert MANY / 2 < given < MANY


@pytest.mark.parametrize("task", [*second_set.SEEING_TASKS, *second_set.TEXT_TASKS])
def test_no_answer_can_be_guessed(task: str) -> None:
    """Many answers come, none of them in more than two thirds of all samples."""
    answers = [sample.answer for sample in drawn(task)]
    assert max(map(answers.count, set(answers))) < MANY * 2 / 3


@pytest.mark.parametrize("task", second_set.SEEING_TASKS)
def test_a_question_stands_before_or_after_its_pictures(task: str) -> None:
    """Both orders come, with the pictures together."""
    orders = set()
    for sample in drawn(task):
        contents = [m["content"] for m in sample.messages if isinstance(m["content"], list)]
        kinds = tuple(kind for kind, _ in groupby(part["type"] for part in contents[-1]))
        orders.add(kinds)
    shown = "video" if task == "video" else "image"
    assert orders == {("text", shown), (shown, "text")}
