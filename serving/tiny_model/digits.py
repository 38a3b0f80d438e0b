"""Numbers that are written in a picture: how a digit is drawn, and where they stand.

A digit is strokes: lines through points of a box that is 1 high and `WIDTH` wide. No font is used,
so that nothing but this file decides what a digit looks like.
"""

import math
import random
from dataclasses import dataclass, replace
from itertools import pairwise

from serving.tiny_model.scenes import COLOURS, Rgb, background_for, jitter

MAX_DIGITS = 4
WIDTH = 0.56  # of a digit whose height is 1
STEP = 0.78  # from one digit's left edge to the next one's
HEIGHTS = (0.24, 0.42)  # of the digits, in shorter sides of the picture
WEIGHTS = (0.1, 0.17)  # of the strokes, in heights of a digit
SLANTS = (-0.05, 0.2)  # how far right a digit's top leans, in its heights

Point = tuple[float, float]
Stroke = tuple[Point, ...]


def _arc(centre: Point, radii: Point, first: float, last: float) -> Stroke:
    """Return points on an ellipse between two angles, in degrees clockwise from the right."""
    steps = max(2, math.ceil(abs(last - first) / 20))
    angles = [math.radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    (x, y), (rx, ry) = centre, radii
    return tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles)


# The strokes of 0 to 9, with the box from (0, 0) to (WIDTH, 1).
STROKES: tuple[tuple[Stroke, ...], ...] = (
    (_arc((0.28, 0.5), (0.28, 0.5), 0, 360),),
    (((0.08, 0.2), (0.3, 0.0), (0.3, 1.0)),),
    ((*_arc((0.28, 0.28), (0.28, 0.28), 180, 380), (0.0, 1.0), (0.56, 1.0)),),
    (
        (*_arc((0.26, 0.24), (0.26, 0.24), 200, 450),),
        (*_arc((0.26, 0.73), (0.3, 0.27), 270, 510),),
    ),
    (((0.42, 1.0), (0.42, 0.0), (0.0, 0.68), (0.56, 0.68)),),
    (((0.52, 0.0), (0.06, 0.0), (0.04, 0.42), *_arc((0.25, 0.68), (0.31, 0.32), 240, 500)),),
    (((0.46, 0.0), (0.05, 0.55)), _arc((0.28, 0.7), (0.28, 0.3), 0, 360)),
    (((0.0, 0.0), (0.56, 0.0), (0.2, 1.0)),),
    (_arc((0.28, 0.25), (0.25, 0.25), 0, 360), _arc((0.28, 0.74), (0.28, 0.26), 0, 360)),
    (_arc((0.28, 0.3), (0.28, 0.3), 0, 360), ((0.56, 0.3), (0.5, 0.62), (0.16, 1.0))),
)


@dataclass(frozen=True, slots=True)
class Note:
    """A number written in one line; lengths are in shorter sides of the picture."""

    digits: str
    left: float
    top: float
    height: float
    weight: float
    slant: float
    shade: Rgb
    background: tuple[Rgb, Rgb]
    aspect: float

    @property
    def layers(self) -> tuple["Note", ...]:
        """What is drawn one over the other: itself alone."""
        return (self,)

    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Return left, top, width and height of each digit, unslanted."""
        return [
            (self.left + n * STEP * self.height, self.top, WIDTH * self.height, self.height)
            for n in range(len(self.digits))
        ]

    def lines(self) -> list[list[tuple[Point, Point]]]:
        """Return, for each digit, the ends of every straight piece of its strokes."""
        found = []
        for digit, (left, top, _, height) in zip(self.digits, self.boxes(), strict=True):
            pieces: list[tuple[Point, Point]] = []
            for stroke in STROKES[int(digit)]:
                points = [
                    (left + (x + self.slant * (0.5 - y)) * height, top + y * height)
                    for x, y in stroke
                ]
                pieces += pairwise(points)
            found.append(pieces)
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of digits all over a picture, by which the vision tower learns to read."""

    layers: tuple[Note, ...]
    aspect: float


def random_page(rng: random.Random, aspect: float) -> Page:
    """Fill a picture with lines of digits of about one height."""
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    tall, first = rng.uniform(*HEIGHTS), random_note(rng, aspect)
    lines, top = [], 0.1 * tall
    while top + 1.1 * tall <= height:
        high = tall * rng.uniform(0.85, 1.0)
        left = rng.uniform(0.1, 0.4) * high
        fitting = int((width - left - (WIDTH + 0.1) * high) / (STEP * high)) + 1
        lines.append(
            replace(
                first,
                digits="".join(rng.choice("0123456789") for _ in range(fitting)),
                left=left,
                top=top,
                height=high,
                weight=rng.uniform(*WEIGHTS),
                slant=rng.uniform(*SLANTS),
            )
        )
        top += high * rng.uniform(1.2, 1.5)
    return Page(tuple(lines), aspect)


def random_note(rng: random.Random, aspect: float) -> Note:
    """Draw a number of one to four digits, as large as fits and never cut off."""
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, MAX_DIGITS)))
    reach = STEP * (len(digits) - 1) + WIDTH  # in heights of a digit
    margin = max(WEIGHTS) / 2 + max(SLANTS) / 2 + 0.02
    smallest, largest = HEIGHTS if aspect < 2 else (0.45, 0.7)
    tall = rng.uniform(smallest, min(largest, 0.98 * width / (reach + 2 * margin)))
    shade = jitter(rng, COLOURS[rng.choice(list(COLOURS))], 14)
    return Note(
        digits=digits,
        left=rng.uniform(margin * tall, width - (reach + margin) * tall),
        top=rng.uniform(margin * tall, height - (1 + margin) * tall),
        height=tall,
        weight=rng.uniform(*WEIGHTS),
        slant=rng.uniform(*SLANTS),
        shade=shade,
        background=background_for(rng, shade),
        aspect=aspect,
    )
