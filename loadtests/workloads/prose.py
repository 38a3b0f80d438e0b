"""Plain English of any length, from a seeded grammar: filler that no cache has seen before."""

import random
from typing import Final

from loadtests.workloads.workload import BYTES_PER_TOKEN

# No numbers, colours or cities: what a question asks about must not stand in the filler.
SUBJECTS: Final = (
    "the harbour master", "a patient clerk", "our neighbour", "the night train", "a young teacher",
    "the second committee", "an old engine", "the museum guide", "my brother", "the village baker",
    "a careful engineer", "the new library", "the weather station", "a visiting doctor",
    "the spring market", "the last ferry",
)  # fmt: skip
VERBS: Final = (
    "described", "repaired", "followed", "noticed", "remembered", "carried", "opened", "measured",
    "avoided", "painted", "returned", "checked", "finished", "explained", "borrowed", "moved",
)  # fmt: skip
OBJECTS: Final = (
    "the wooden bridge", "a heavy parcel", "the long report", "an empty room", "the garden wall",
    "a broken clock", "the morning paper", "some old letters", "the station roof", "a small boat",
    "the kitchen table", "the school records", "a narrow path", "the office window",
    "the winter plan", "a quiet answer",
)  # fmt: skip
ENDINGS: Final = (
    "before the rain began", "without saying a word", "near the river", "on the way home",
    "as everyone had hoped", "after a long meeting", "with great care", "while the others waited",
    "because nobody else would", "at the end of the street", "in the early evening",
    "until the doors were closed", "and nobody was surprised", "for the first time in years",
    "as the letter had asked", "although it was late",
)  # fmt: skip
SENTENCES_KEPT: Final = 2048
SENTENCES_A_PARAGRAPH: Final = 6


class Prose:
    """Writes paragraphs from a stock of sentences, so that a megabyte takes milliseconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sentences = [_sentence(rng) for _ in range(SENTENCES_KEPT)]

    def write(self, tokens: int) -> str:
        """Return about so many tokens of text, at four bytes a token; at least a sentence."""
        size, written = tokens * BYTES_PER_TOKEN, 0
        paragraphs: list[str] = []
        while written < size or not paragraphs:
            paragraph = " ".join(self._rng.choices(self._sentences, k=SENTENCES_A_PARAGRAPH))
            paragraphs.append(paragraph)
            written += len(paragraph) + 1
        text = "\n".join(paragraphs)
        end = text.find(".", max(0, size - 1))
        return text[: end + 1] if end >= 0 else text


def _sentence(rng: random.Random) -> str:
    words = " ".join(rng.choice(part) for part in (SUBJECTS, VERBS, OBJECTS, ENDINGS))
    return f"{words.capitalize()}."
