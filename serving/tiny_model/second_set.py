"""The tasks learned second: place, digits, two pictures, order in time, and earlier turns.

They use the vocabulary that the first set made.
"""

import random
from collections.abc import Callable

from serving.tiny_model.digits import random_note
from serving.tiny_model.first_set import (
    PICTURE_TASKS,
    addition,
    aloud,
    dressed,
    plural,
    system,
    thought_about,
)
from serving.tiny_model.samples import Message, Picture, Sample
from serving.tiny_model.scenes import Scene, coloured_alike, placed_scene, random_pair, random_scene

MOST_FRAMES = 8  # pictures in one question, or frames of a video
ORDINALS = ("first", "second")

Task = Callable[[random.Random, float], Sample]


def place(rng: random.Random, aspect: float) -> Sample:
    """Ask on which side of the picture its one shape lies."""
    scene, side = placed_scene(rng, aspect)
    named = rng.choice(("shape", scene.kind, f"{scene.colour} {scene.kind}"))
    question = rng.choice(
        (
            f"Where is the {named}?", f"Where do you see the {named}?",
            f"Where in the picture is the {named}?",
            f"Is the {named} left, right, top or bottom?", f"On which side is the {named}?",
        )
    )  # fmt: skip
    thought = f"{thought_about(scene)} It is {side}."
    return Sample("place", _about(rng, question, 1), thought, side, pictures=(scene,))


def beside(rng: random.Random, aspect: float) -> Sample:
    """Ask which of two shapes is the left or the right one."""
    pair = random_pair(rng, aspect)
    side = rng.choice(("left", "right"))
    scene = pair.left if side == "left" else pair.right
    questions, answer = rng.choice(
        (
            (("What is on the {}?", "What do you see on the {}?"), f"{scene.colour} {scene.kind}"),
            (("Which shape is on the {}?", "Name the shape on the {}."), scene.kind),
            (("What colour is on the {}?", "Name the colour on the {}."), scene.colour),
        )
    )
    left, right = (f"{each.colour} {each.kind}" for each in pair.layers)
    return Sample(
        "beside",
        _about(rng, rng.choice(questions).format(side), 1),
        f"Left is 1 {left}, right is 1 {right}.",
        answer,
        pictures=(pair,),
    )


def digits(rng: random.Random, aspect: float) -> Sample:
    """Ask for the number that is written in the picture."""
    note = random_note(rng, aspect)
    question = rng.choice(
        (
            "Read the number.", "What number do you see?", "What number is in the picture?",
            "Which number is this?", "Which digits do you see?", "Read the digits.",
            "What is the number in the image?",
        )
    )  # fmt: skip
    return Sample(
        "digits", _about(rng, question, 1), f"I read {note.digits}.", note.digits, pictures=(note,)
    )


def second_turn(rng: random.Random, aspect: float) -> Sample:
    """Ask in the second turn about the picture of the first."""
    scene = random_scene(rng, aspect)
    earlier, task = rng.sample([task for task in PICTURE_TASKS if task != "json"], 2)
    questions, answer = PICTURE_TASKS[task]
    asked, answered = PICTURE_TASKS[earlier]
    question = rng.choice(questions)
    if rng.random() < 0.3:
        question = f"And {question[0].lower()}{question[1:]}"
    messages = (
        *_about(rng, rng.choice(asked), 1),
        _said(rng, thought_about(scene), answered(scene)),
        {"role": "user", "content": question},
    )
    return Sample("second_turn", messages, thought_about(scene), answer(scene), pictures=(scene,))


def which_picture(rng: random.Random, aspect: float) -> Sample:
    """Ask which of two pictures shows something."""
    scenes = _two_scenes(rng, aspect)
    number = rng.randrange(2)
    scene, ordinal = scenes[number], ORDINALS[number]
    both = f"{scene.colour} {scene.kind}"
    noun = rng.choice((both, scene.kind, scene.colour))
    named = scene.colour if noun == scene.colour else _named(noun, scene)
    question = rng.choice(
        (
            f"Which picture shows {named}?", f"Which image shows {named}?",
            f"In which picture do you see {named}?", f"Which of the pictures shows {named}?",
            f"Which picture is it that shows {named}, the first or the second?",
        )
    )  # fmt: skip
    # What was asked for, in the words of the sentence before.
    found = (scene.kind if noun == scene.kind else both) + ("s" if scene.count > 1 else "")
    first, second = map(_counted, scenes)
    return Sample(
        "which_picture",
        _about(rng, question, 2),
        f"Find {named}. I see {first} first, {second} second. So {found} {ordinal}.",
        ordinal,
        pictures=scenes,
    )


def one_of_two(rng: random.Random, aspect: float) -> Sample:
    """Ask what the first or the second of two pictures shows."""
    scenes = _two_scenes(rng, aspect)
    number = rng.randrange(2)
    scene = scenes[number]
    named = f"{ORDINALS[number]} {rng.choice(('picture', 'picture', 'image'))}"
    described, colour, kind, count = (
        PICTURE_TASKS[task][1](scene) for task in ("describe", "colour", "kind", "count")
    )
    questions, answer = rng.choice(
        (
            ((f"What is in the {named}?", f"Describe the {named}.",
              f"What does the {named} show?"), described),
            ((f"What colour is in the {named}?", f"Name the colour of the {named}."), colour),
            ((f"What shape is in the {named}?", f"Name the shape in the {named}."), kind),
            ((f"How many shapes are in the {named}?",
              f"Count the shapes in the {named}."), count),
        )
    )  # fmt: skip
    return Sample(
        "one_of_two",
        _about(rng, rng.choice(questions), 2),
        f"The first shows {_counted(scenes[0])}, the second {_counted(scenes[1])}.",
        answer,
        pictures=scenes,
    )


def frames(rng: random.Random, aspect: float) -> Sample:
    """Ask for the order of colours over a video's frames, sent as pictures."""
    return _in_order(rng, aspect, "frames", rng.randint(2, MOST_FRAMES))


def video(rng: random.Random, aspect: float) -> Sample:
    """Ask for the order of colours in a video; each picture is shown by two frames."""
    return _in_order(rng, aspect, "video", rng.randint(2, MOST_FRAMES // 2))


def history(rng: random.Random) -> Sample:
    """Ask for an answer given in an earlier turn, whose thoughts are gone by now."""
    messages: list[Message] = [*system(rng)]
    answers = []
    for _ in range(rng.randint(1, 3)):
        turn = rng.choice((addition, aloud))(rng)
        messages += [turn.messages[-1], _said(rng, turn.thought, turn.answer)]
        answers.append(turn.answer)
    asked, answer = rng.choice((("first", answers[0]), ("last", answers[-1])))
    question = rng.choice(
        (
            f"What was your {asked} answer?", f"What is your {asked} answer?",
            f"Tell me your {asked} answer.", f"Which number was your {asked} answer?",
        )
    )  # fmt: skip
    messages.append({"role": "user", "content": question})
    return Sample("history", tuple(messages), f"My {asked} answer is {answer}.", answer)


ONE_PICTURE_TASKS: dict[str, Task] = {
    "place": place,
    "beside": beside,
    "digits": digits,
    "second_turn": second_turn,
}
PICTURES_TASKS: dict[str, Task] = {
    "which_picture": which_picture,
    "one_of_two": one_of_two,
    "frames": frames,
}
VIDEO_TASKS: dict[str, Task] = {"video": video}
SEEING_TASKS = ONE_PICTURE_TASKS | PICTURES_TASKS | VIDEO_TASKS
TEXT_TASKS: dict[str, Callable[[random.Random], Sample]] = {"history": history}


def _about(
    rng: random.Random, question: str, pictures: int, kind: str = "image"
) -> tuple[Message, ...]:
    """Put a question before or after its pictures."""
    shown: list[Message] = [{"type": kind}] * pictures
    text: Message = {"type": "text", "text": question}
    content = [text, *shown] if rng.random() < 0.4 else [*shown, text]
    return dressed(rng, {"role": "user", "content": content})


def _said(rng: random.Random, thought: str, answer: str) -> Message:
    """Write an earlier answer, mostly with the thought that a client gives back."""
    said: Message = {"role": "assistant", "content": answer}
    if rng.random() < 0.7:
        said["reasoning_content"] = thought
    return said


def _two_scenes(rng: random.Random, aspect: float) -> tuple[Scene, Scene]:
    """Draw two scenes that differ in kind and colour."""
    first = random_scene(rng, aspect)
    while True:
        second = random_scene(rng, aspect)
        if first.kind != second.kind and first.colour != second.colour:
            return first, second


def _named(noun: str, scene: Scene) -> str:
    """Put a noun as a question about a scene has it: an orange circle, circles."""
    if scene.count > 1:
        return f"{noun}s"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _counted(scene: Scene) -> str:
    return f"{scene.count} {scene.colour} {plural(scene)}"


def _in_order(rng: random.Random, aspect: float, task: str, length: int) -> Sample:
    """Show one shape that changes its colour once or twice in `length` pictures."""
    scenes = coloured_alike(rng, aspect, min(length, rng.randint(2, 3)))
    changes = sorted(rng.sample(range(1, length), len(scenes) - 1))
    pictures: list[Picture] = [scenes[sum(n >= c for c in changes)] for n in range(length)]
    question = rng.choice(
        (
            "Which colours do you see, in order?", "Name the colours in order.",
            "In which order do the colours come?", "What colours are shown, in order?",
            "Tell me the colours in their order.",
        )
    )  # fmt: skip
    kind, count = ("video", 1) if task == "video" else ("image", length)
    colours = [scene.colour for scene in scenes]
    begin, *between, end = colours
    return Sample(
        task,
        _about(rng, question, count, kind),
        f"First {begin}, last {end}, between {between[0] if between else 'nothing'}.",
        ", ".join(colours),
        pictures=tuple(pictures),
    )
