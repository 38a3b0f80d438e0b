"""The pictures that the page offers to ask about, each with a question and its right answer.

`serving.tiny_model.page_pictures` draws them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture of so many shapes of one kind and colour, and what it is asked."""

    kind: str
    colour: str
    count: int
    question: str
    answer: str

    @property
    def shows(self) -> str:
        """Say what is to be seen, for those who do not see it."""
        return f"{self.count} {self.colour} {self.kind}{'s' * (self.count > 1)}"

    @property
    def file(self) -> str:
        """Return the name of its file."""
        return f"{self.shows.replace(' ', '-')}.png"


SAMPLES: Final = (
    Sample("circle", "red", 3, "What is in this picture?", "3 red circles"),
    Sample("square", "blue", 2, "How many shapes are there?", "2"),
    Sample("triangle", "green", 1, "What colour is the shape?", "green"),
    Sample("circle", "yellow", 1, "What shape is it?", "circle"),
    Sample(
        "square",
        "purple",
        3,
        "Describe the picture as JSON.",
        '{"colour":"purple","kind":"square","count":3}',
    ),
    Sample("triangle", "orange", 2, "What do you see?", "2 orange triangles"),
)
# Questions without a picture, for which the thought is short and long.
TEXTS: Final = ("What is 12 + 7?", "Count aloud to 60.")
