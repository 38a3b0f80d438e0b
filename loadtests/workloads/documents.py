"""A page of small text with one number on it that is asked for."""

import random
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from itertools import cycle
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.workloads.files import File, encoded_picture
from loadtests.workloads.pictures import ANSWER_TOKENS, part, remarks, shown_prompt
from loadtests.workloads.prose import Prose
from loadtests.workloads.questions import number
from loadtests.workloads.workload import Kind, Workload, picture_tokens

PAGE: Final = (1240, 1754)  # A4 at 150 dots an inch
MARGIN: Final = 100
LETTERS: Final = 17  # pixels: 8 points at this resolution
LINE: Final = 24
PAPER: Final = (250, 249, 246)
INK: Final = (25, 25, 30)
PAGES: Final = 2
LINES: Final = (PAGE[1] - 2 * MARGIN) // LINE
LINE_LETTERS: Final = 105
PAGE_TOKENS: Final = 2000  # more than the page holds
QUESTION: Final = "What is the order number in this document?"


def page(rng: random.Random, order: int) -> Image.Image:
    """Return a page of text, an order number in one of its lines."""
    image = Image.new("RGB", PAGE, PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(LETTERS)
    lines = textwrap.wrap(Prose(rng).write(PAGE_TOKENS), LINE_LETTERS)
    lines[rng.randrange(LINES)] = f"Order number: {order}"
    for number_of_line, line in enumerate(lines[:LINES]):
        pen.text((MARGIN, MARGIN + number_of_line * LINE), line, INK, font)
    return image


@lru_cache(maxsize=2)
def _written(seed: int) -> tuple[tuple[int, File], ...]:
    """Return a few encoded pages with their order numbers."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    orders = [rng.randint(10_000, 99_999) for _ in range(PAGES)]
    return tuple((order, encoded_picture(page(rng, order), "PNG")) for order in orders)


def _pages(rng: random.Random, served: Served) -> Iterator[Prompt]:
    pages, salted = _written(rng.getrandbits(64)), remarks(rng, "document")
    return (
        shown_prompt("document", [part(file.url(remark))], QUESTION, number(order))
        for (order, file), remark in zip(cycle(pages), salted, strict=False)
    )


DOCUMENT: Final = Workload((Kind("document", picture_tokens(*PAGE), ANSWER_TOKENS, _pages),))
