"""What a generated picture shows and where: the part that any renderer needs.

Positions and radii are fractions of the shorter side, so that one scene can be drawn at any size.
"""

import math
import random
from dataclasses import dataclass

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 60, 220),
    "yellow": (240, 220, 40),
    "black": (15, 15, 15),
    "white": (245, 245, 245),
    "orange": (250, 140, 20),
    "purple": (130, 40, 160),
}
KINDS = ("circle", "square", "triangle")
MAX_COUNT = 3
# Smallest and largest radius for 1, 2, … shapes: large enough to be seen after a 64 px picture
# was enlarged by the processor, small enough to lie apart.
RADII = {1: (0.13, 0.4), 2: (0.12, 0.25), 3: (0.12, 0.2)}
REACH = 1.26  # corners lie up to this many radii from the centre
MIN_CONTRAST = 110

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: its centre and radius in shorter sides, its turn in degrees."""

    x: float
    y: float
    radius: float
    turn: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One to three shapes of one kind and colour before a background that may run from one
    colour to another."""

    kind: str
    colour: str
    shade: Rgb
    background: tuple[Rgb, Rgb]
    shapes: tuple[Shape, ...]
    aspect: float

    @property
    def count(self) -> int:
        """How many shapes there are."""
        return len(self.shapes)


def corners(kind: str, shape: Shape) -> list[tuple[float, float]]:
    """Return the corners of a square or an upright triangle, in shorter sides.

    A square's side is 1.77 radii (the circle's area); a triangle's corners lie on the circle of
    1.15 radii.
    """
    if kind == "square":
        reach, first, count = 0.885 * math.sqrt(2), 45, 4
    else:
        reach, first, count = 1.15, 30, 3
    turned = [math.radians(first + n * 360 / count + shape.turn) for n in range(count)]
    reach *= shape.radius
    return [(shape.x + reach * math.cos(a), shape.y + reach * math.sin(a)) for a in turned]


def random_scene(rng: random.Random, aspect: float, count: int | None = None) -> Scene:
    """Draw a scene for pictures of this aspect (width / height); every choice comes from `rng`."""
    colour = rng.choice(list(COLOURS))
    shade = jitter(rng, COLOURS[colour], 14)
    return Scene(
        kind=rng.choice(KINDS),
        colour=colour,
        shade=shade,
        background=_background(rng, shade),
        shapes=_places(rng, aspect, count or rng.randint(1, MAX_COUNT)),
        aspect=aspect,
    )


def jitter(rng: random.Random, colour: Rgb, amount: int) -> Rgb:
    """Move each channel by up to `amount`."""
    red, green, blue = (max(0, min(255, c + rng.randint(-amount, amount))) for c in colour)
    return red, green, blue


def _background(rng: random.Random, shade: Rgb) -> tuple[Rgb, Rgb]:
    """Choose greys, near-whites, near-blacks and tints that the shade stands out from."""
    while True:
        level = rng.choice((rng.randint(60, 200), rng.randint(225, 255), rng.randint(0, 40)))
        tint = rng.choice((0, 0, 12, 35))
        first = jitter(rng, (level, level, level), tint)
        second = jitter(rng, first, 30) if rng.random() < 0.3 else first
        if min(math.dist(first, shade), math.dist(second, shade)) >= MIN_CONTRAST:
            return first, second


def _places(rng: random.Random, aspect: float, count: int) -> tuple[Shape, ...]:
    """Place shapes apart from each other and inside the picture, starting again when stuck."""
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    smallest, largest = RADII[count]
    while True:
        shapes: list[Shape] = []
        radius = rng.uniform(smallest, largest)
        for _ in range(60):
            r = max(smallest, min(largest, radius * rng.uniform(0.85, 1.15)))
            candidate = Shape(
                x=rng.uniform(REACH * r, width - REACH * r),
                y=rng.uniform(REACH * r, height - REACH * r),
                radius=r,
                turn=rng.uniform(-12, 12),
            )
            if all(
                math.dist((candidate.x, candidate.y), (s.x, s.y)) > REACH * (r + s.radius)
                for s in shapes
            ):
                shapes.append(candidate)
            if len(shapes) == count:
                return tuple(shapes)
