"""Seeded requests: what the users of a scenario ask, encoded before it is sent."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

from loadtests.pictures import Picture, picture_pool

PICTURE_POOL_SIZE = 120
NUMBER_WORDS = ("one", "two", "three", "four", "five")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question, the longest answer it may get, and the words of which a right answer has one."""

    kind: str
    content: str | list[dict[str, Any]]
    max_tokens: int
    right: tuple[str, ...]
    picture: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt with its number in the run and its body as it goes over the wire."""

    number: int
    prompt: Prompt
    body: bytes


Workload = Callable[[random.Random, Iterator[Picture]], Prompt]


def text(rng: random.Random, pictures: Iterator[Picture]) -> Prompt:
    """Ask for a sum: a short thought, a short answer."""
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    return Prompt("text", f"What is {a} + {b}?", 2048, (str(a + b),))


def picture(rng: random.Random, pictures: Iterator[Picture]) -> Prompt:
    """Ask what a picture shows: a short thought, a short answer."""
    shown = next(pictures)
    question, right = rng.choice(
        (
            ("What colour is it?", (shown.colour,)),
            ("How many shapes are there?", (str(shown.count), NUMBER_WORDS[shown.count - 1])),
            ("What shape is it?", (shown.shape,)),
        )
    )
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": shown.data_url}},
        {"type": "text", "text": question},
    ]
    return Prompt("picture", content, 2048, right, picture=shown.number)


def long_thought(rng: random.Random, pictures: Iterator[Picture]) -> Prompt:
    """Ask to count aloud: some hundred tokens of thought before a short answer."""
    last = rng.randint(60, 99)
    return Prompt("long thought", f"Count aloud to {last}.", 4096, (str(last),))


def requests(seed: int, mix: Mapping[Workload, int], model: str) -> Iterator[Request]:
    """Yield the run's requests in order, the same for the same seed, mix and model.

    Pictures are drawn now, before the first request; after the last picture the first follows.
    """
    rng = random.Random(f"requests {seed}")  # noqa: S311 - repeatable, not secret
    pictures = cycle(picture_pool(seed, PICTURE_POOL_SIZE))

    def endless() -> Iterator[Request]:
        for number in count():
            workload = rng.choices(list(mix), list(mix.values()))[0]
            prompt = workload(rng, pictures)
            yield Request(number, prompt, encoded(prompt, model))

    return endless()


def is_right(prompt: Prompt, answer: str) -> bool:
    """Tell whether the answer holds one of the right words, alone or in the plural."""
    words = "|".join(map(re.escape, prompt.right))
    return re.search(rf"\b({words})s?\b", answer.lower()) is not None


def encoded(prompt: Prompt, model: str) -> bytes:
    """Encode the request; sampling is left to the endpoint's defaults for the model."""
    return json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": prompt.content}],
            "max_tokens": prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
