"""What a generated picture shows and where: the part that any renderer needs.

Positions and radii are fractions of the shorter side, so that one scene can be drawn at any size.
"""

import math
import random
from dataclasses import dataclass, replace

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
SIDES = ("left", "right", "top", "bottom")
ASIDE = 0.17  # of the width or height from the middle: a shape's place has a name from here on
BESIDE = 0.25  # of the width between two shapes of which one is the left one

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

    @property
    def layers(self) -> tuple["Scene", ...]:
        """What is drawn one over the other: itself alone."""
        return (self,)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two shapes beside each other that differ in kind and colour, each as a scene of its own
    before the same background."""

    left: Scene
    right: Scene

    @property
    def layers(self) -> tuple[Scene, Scene]:
        """Both shapes, the left one first."""
        return self.left, self.right

    @property
    def aspect(self) -> float:
        """The picture's width / height."""
        return self.left.aspect


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
        background=background_for(rng, shade),
        shapes=_places(rng, aspect, count or rng.randint(1, MAX_COUNT)),
        aspect=aspect,
    )


def random_pair(rng: random.Random, aspect: float) -> Pair:
    """Draw two shapes of which one lies clearly left of the other."""
    while True:
        first, second = (random_scene(rng, aspect, 1) for _ in range(2))
        if first.colour == second.colour or first.kind == second.kind:
            continue
        if min(math.dist(ground, second.shade) for ground in first.background) < MIN_CONTRAST:
            continue
        left, right = sorted(_places(rng, aspect, 2), key=lambda shape: shape.x)
        if right.x - left.x >= BESIDE * max(aspect, 1.0):
            return Pair(
                replace(first, shapes=(left,)),
                replace(second, shapes=(right,), background=first.background),
            )


def placed_scene(rng: random.Random, aspect: float) -> tuple[Scene, str]:
    """Draw one small shape that lies clearly to one side; return it and the side's name."""
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    scene = random_scene(rng, aspect, 1)
    side = rng.choice(SIDES)
    while True:
        radius = rng.uniform(0.12, 0.22)
        x, y = (rng.uniform(REACH * radius, size - REACH * radius) for size in (width, height))
        if side_of(x / width - 0.5, y / height - 0.5) == side:
            shape = Shape(x, y, radius, rng.uniform(-12, 12))
            return replace(scene, shapes=(shape,)), side


def coloured_alike(rng: random.Random, aspect: float, count: int) -> list[Scene]:
    """Draw `count` scenes of one shape at one place, each in another colour."""
    scene = random_scene(rng, aspect, 1)
    while True:
        names = rng.sample(list(COLOURS), count)
        shades = [jitter(rng, COLOURS[name], 14) for name in names]
        ground = background_for(rng, shades[0])
        if all(math.dist(end, shade) >= MIN_CONTRAST for end in ground for shade in shades):
            return [
                replace(scene, colour=name, shade=shade, background=ground)
                for name, shade in zip(names, shades, strict=True)
            ]


def side_of(right: float, down: float) -> str | None:
    """Name the side on which a place lies, None where it is not clear.

    Both are shares of the picture's width and height, from its middle.
    """
    far, near = max(abs(right), abs(down)), min(abs(right), abs(down))
    if far < ASIDE or near > far / 2:
        return None
    if abs(right) > abs(down):
        return "right" if right > 0 else "left"
    return "bottom" if down > 0 else "top"


def jitter(rng: random.Random, colour: Rgb, amount: int) -> Rgb:
    """Move each channel by up to `amount`."""
    red, green, blue = (max(0, min(255, c + rng.randint(-amount, amount))) for c in colour)
    return red, green, blue


def background_for(rng: random.Random, shade: Rgb) -> tuple[Rgb, Rgb]:
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
