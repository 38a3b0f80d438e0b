"""The tasks learned first: what one picture shows, sums, counting, tools, and what is unknown.

Their sentences made the vocabulary (architecture.build_tokenizer), which a checkpoint's weights
hang on: another wording here means training from nothing.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from serving.tiny_model.samples import Message, Sample
from serving.tiny_model.scenes import Scene, random_scene

LARGEST_TERM = 20
LARGEST_COUNT_ALOUD = 99
CITIES = (
    "Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo", "Berlin", "Madrid", "London",
    "Vienna", "Athens", "Dublin", "Lagos", "Quito", "Seoul", "Hanoi", "Accra", "Bern", "Boston",
    "Chicago", "Lisbon", "Warsaw", "Prague", "Sydney", "Nairobi", "Toronto", "Mumbai", "Kyoto",
    "San Francisco", "New York", "Tel Aviv",
)  # fmt: skip
FINDINGS = {
    "weather": ("sunny", "rainy", "cloudy", "windy", "snowy"),
    "time": ("morning", "noon", "evening", "night"),
}


def thought_about(scene: Scene) -> str:
    """Say everything that a picture question may ask for."""
    return f"I see {scene.count} {scene.colour} {plural(scene)}."


def plural(scene: Scene) -> str:
    """Name the kind, in the plural where there are several."""
    return scene.kind + ("s" if scene.count > 1 else "")


def as_json(scene: Scene) -> str:
    """Write the scene as the JSON object of the `json` task, as compact as a grammar makes it."""
    found = {"colour": scene.colour, "kind": scene.kind, "count": scene.count}
    return json.dumps(found, separators=(",", ":"))


PICTURE_TASKS: dict[str, tuple[tuple[str, ...], Callable[[Scene], str]]] = {
    "colour": (
        (
            "What colour is it?", "What color is it?", "What colour is the shape?",
            "What color is the shape?", "What colour are the shapes?", "What color are they?",
            "Which colour do you see?", "Which color do you see?", "Name the colour.",
            "Name the color of the shapes.", "Tell me the colour.",
        ),
        lambda scene: scene.colour,
    ),
    "kind": (
        (
            "What shape is it?", "Which shape is this?", "Name the shape.",
            "What kind of shape is it?",
            "Which kind of shape do you see?", "What shapes are these?", "What shape do you see?",
        ),
        lambda scene: scene.kind,
    ),
    "count": (
        (
            "How many shapes are there?", "How many shapes do you see?", "Count the shapes.",
            "How many are there?", "How many do you see?", "How many objects are in the picture?",
        ),
        lambda scene: str(scene.count),
    ),
    "describe": (
        (
            "What is in this image?", "What is in this picture?", "Describe the picture.",
            "Describe this image.", "What do you see?", "What does the image show?",
        ),
        lambda scene: f"{scene.count} {scene.colour} {plural(scene)}",
    ),
    "json": (
        (
            "Describe the picture as JSON.", "Describe the image as JSON.", "Answer in JSON.",
            "Give colour, kind and count as JSON.",
            "Return a JSON object with colour, kind and count.",
        ),
        as_json,
    ),
}  # fmt: skip


def picture_sample(rng: random.Random, task: str, aspect: float) -> Sample:
    """Ask one question about one picture."""
    questions, answer = PICTURE_TASKS[task]
    scene = random_scene(rng, aspect)
    parts: list[Message] = [{"type": "image"}, {"type": "text", "text": rng.choice(questions)}]
    if rng.random() < 0.4:
        parts.reverse()
    messages = dressed(rng, {"role": "user", "content": parts})
    return Sample(task, messages, thought_about(scene), answer(scene), pictures=(scene,))


def addition(rng: random.Random) -> Sample:
    """Ask for the sum of two terms."""
    a, b = rng.randint(0, LARGEST_TERM), rng.randint(0, LARGEST_TERM)
    question = rng.choice(
        (
            f"What is {a}+{b}?", f"What is {a} + {b}?", f"What is {a} plus {b}?",
            f"Add {a} and {b}.",
            f"{a} + {b} = ?", f"What is the sum of {a} and {b}?", f"How much is {a} + {b}?",
        )
    )  # fmt: skip
    messages = dressed(rng, {"role": "user", "content": question})
    return Sample("addition", messages, f"{a} plus {b} is {a + b}.", str(a + b))


def aloud(rng: random.Random) -> Sample:
    """Ask to count to N: N steers how long the thought is."""
    n = rng.randint(2, 30) if rng.random() < 0.6 else rng.randint(2, LARGEST_COUNT_ALOUD)
    question = rng.choice(
        (f"Count aloud to {n}.", f"Count to {n}.", f"Count from 1 to {n}.", f"Please count to {n}.")
    )
    thought = " ".join(str(i) for i in range(1, n + 1)) + "."
    return Sample("aloud", dressed(rng, {"role": "user", "content": question}), thought, str(n))


def tool_call(rng: random.Random) -> Sample:
    """Ask what only a tool can tell: the answer is one call."""
    subject, city, tools = _tool_scene(rng)
    call = json.dumps({"name": f"get_{subject}", "arguments": {"city": city}})
    return Sample(
        "tool_call",
        dressed(rng, {"role": "user", "content": _tool_question(rng, subject, city)}),
        f"I need the {subject} in {city}.",
        f"<tool_call>\n{call}\n</tool_call>",
        tools=tools,
    )


def tool_answer(rng: random.Random) -> Sample:
    """Give the tool's result: the answer repeats it in a sentence."""
    subject, city, tools = _tool_scene(rng)
    finding = rng.choice(FINDINGS[subject])
    call: Message = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "type": "function",
                "function": {"name": f"get_{subject}", "arguments": {"city": city}},
            }
        ],
    }
    if rng.random() < 0.5:
        call["reasoning_content"] = f"I need the {subject} in {city}."
    result = rng.choice((finding, finding, json.dumps({subject: finding}), f"It is {finding}."))
    messages = (
        {"role": "user", "content": _tool_question(rng, subject, city)},
        call,
        {"role": "tool", "content": result},
    )
    return Sample(
        "tool_answer",
        system(rng) + messages,
        f"The tool says {finding}.",
        f"It is {finding} in {city}.",
        tools=tools,
    )


UNKNOWN_WORDS = (
    "why", "how", "what", "does", "is", "the", "a", "meaning", "of", "life", "write", "poem",
    "about", "story", "explain", "tell", "me", "joke", "who", "are", "you", "can", "help", "with",
    "code", "python", "sea", "sky", "moon", "history", "president", "translate", "best", "book",
    "learn", "hello", "hi", "please", "name", "your", "love", "music", "food", "theory", "capital",
    "france",
)  # fmt: skip


def unknown(rng: random.Random) -> Sample:
    """Ask what the model cannot know: it says what it is."""
    words = [rng.choice(UNKNOWN_WORDS) for _ in range(rng.randint(1, 9))]
    question = " ".join(words).capitalize() + rng.choice((".", "?", "", "!"))
    return Sample(
        "unknown",
        dressed(rng, {"role": "user", "content": question}),
        "This is not one of my tasks.",
        "I am a toy model. Ask me about shapes in a picture, a sum, or to count.",
    )


TEXT_TASKS: dict[str, Callable[[random.Random], Sample]] = {
    "addition": addition,
    "aloud": aloud,
    "tool_call": tool_call,
    "tool_answer": tool_answer,
    "unknown": unknown,
}


def dressed(rng: random.Random, message: Message) -> tuple[Message, ...]:
    """Put a system message or an earlier turn before some questions."""
    if rng.random() < 0.08:
        a, b = rng.randint(0, LARGEST_TERM), rng.randint(0, LARGEST_TERM)
        earlier = (
            {"role": "user", "content": f"What is {a} + {b}?"},
            {"role": "assistant", "content": str(a + b)},
        )
        return (*system(rng), *earlier, message)
    return (*system(rng), message)


def system(rng: random.Random) -> tuple[Message, ...]:
    """Draw a system message, or mostly none."""
    if rng.random() < 0.8:
        return ()
    text = rng.choice(
        ("You are a helpful assistant.", "Answer briefly.", "Be concise.", "You are helpful.")
    )
    return ({"role": "system", "content": text},)


def _tool_question(rng: random.Random, subject: str, city: str) -> str:
    return rng.choice(
        (
            f"What is the {subject} in {city}?", f"What's the {subject} in {city}?",
            f"{subject.capitalize()} in {city}?", f"Tell me the {subject} in {city}.",
            f"What is the {subject} like in {city} today?",
        )
    )  # fmt: skip


def _tool_scene(rng: random.Random) -> tuple[str, str, tuple[dict[str, Any], ...]]:
    """Choose subject, city and the tools on offer, the right one among them."""
    subject = rng.choice(list(FINDINGS))
    offered = [subject] if rng.random() < 0.4 else rng.sample(list(FINDINGS), len(FINDINGS))
    strict = rng.random() < 0.2
    tools = tuple(_tool(rng, each, strict=strict) for each in offered)
    return subject, rng.choice(CITIES), tools


def _tool(rng: random.Random, subject: str, *, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": f"get_{subject}"}
    if rng.random() < 0.8:
        function["description"] = rng.choice(
            (
                f"Get the {subject} of a city",
                f"Current {subject} in a city",
                f"{subject} of a place",
            )
        )
    field: dict[str, Any] = {"type": "string"}
    if rng.random() < 0.3:
        field["description"] = rng.choice(("City name", "The city", "City, for example Paris"))
    function["parameters"] = {
        "type": "object",
        "properties": {"city": field},
        "required": ["city"],
    }
    if strict:
        function["parameters"]["additionalProperties"] = False
        function["strict"] = True
    return {"type": "function", "function": function}
