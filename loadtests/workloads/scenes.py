"""Pictures of one to three equal shapes on a background like a photograph's: soft light, texture.

Of flat shapes alone a file would be far smaller than a photograph of its size, of plain noise far
larger; a 1024 x 1024 JPEG of these is about 150 KB.
"""

import random
from dataclasses import dataclass
from math import cos, dist, radians, sin
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageOps

COLOURS: Final = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 60, 220),
    "yellow": (240, 220, 40),
    "black": (15, 15, 15),
    "white": (245, 245, 245),
    "orange": (250, 140, 20),
    "purple": (130, 40, 160),
}
# Angles of the corners, in degrees; a circle is drawn with many.
CORNERS: Final = {
    "circle": tuple(range(0, 360, 5)),
    "square": (45, 135, 225, 315),
    "triangle": (30, 150, 270),
}
BACKGROUNDS: Final = ((232, 232, 228), (150, 155, 160), (60, 62, 70))
MIN_CONTRAST: Final = 130.0
MAX_COUNT: Final = 3
# Shapes stand in the cells of a grid; radii are parts of the shorter side, small enough for a cell.
GRID: Final = (3, 2)
RADII: Final = (0.12, 0.135)
JITTER: Final = 0.02
MAX_TURN: Final = 10  # degrees; triangles point upwards
SHADE: Final = 12  # levels between the light and the dark end of a background
CLOUD: Final = 10  # levels of the soft texture
GRAIN: Final = 12  # levels of the finest one, as a sensor's noise
OCTAVES: Final = (4, 16, 64)  # cells along the shorter side

Size = tuple[int, int]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows."""

    colour: str
    shape: str
    count: int


def random_scene(rng: random.Random, colour: str | None = None) -> Scene:
    """Choose what to show, of a colour if one is given."""
    return Scene(
        colour or rng.choice(list(COLOURS)), rng.choice(list(CORNERS)), rng.randint(1, MAX_COUNT)
    )


def draw(rng: random.Random, scene: Scene, size: Size) -> Image.Image:
    """Draw a scene, width and height in pixels; the same generator draws the same picture."""
    shade = COLOURS[scene.colour]
    image = _light(
        rng, rng.choice([b for b in BACKGROUNDS if dist(b, shade) >= MIN_CONTRAST]), size
    )
    pen, side = ImageDraw.Draw(image), min(size)
    cells = [(x, y) for x in range(GRID[0]) for y in range(GRID[1])]
    for column, row in rng.sample(cells, scene.count):
        x = size[0] * (column + 0.5) / GRID[0] + rng.uniform(-JITTER, JITTER) * side
        y = size[1] * (row + 0.5) / GRID[1] + rng.uniform(-JITTER, JITTER) * side
        outline = _outline(
            scene.shape, rng.uniform(*RADII) * side, rng.uniform(-MAX_TURN, MAX_TURN)
        )
        pen.polygon([(x + dx, y + dy) for dx, dy in outline], fill=shade)
    return textured(rng, image)


def textured(rng: random.Random, image: Image.Image) -> Image.Image:
    """Lay soft clouds and fine grain over a picture."""
    cloud = _noise(rng, _cells(image.size, OCTAVES[0]), image.size)
    for octave in OCTAVES[1:]:
        cloud = Image.blend(cloud, _noise(rng, _cells(image.size, octave), image.size), 0.4)
    worn = _overlaid(image, cloud, CLOUD)
    return _overlaid(worn, _noise(rng, image.size, image.size), GRAIN)


def _light(rng: random.Random, colour: Rgb, size: Size) -> Image.Image:
    """Return a background that runs from a darker to a lighter shade of a colour."""
    ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270)))
    dark, light = (tuple(max(0, min(255, c + d)) for c in colour) for d in (-SHADE, SHADE))
    return ImageOps.colorize(ramp.resize(size, Image.Resampling.BILINEAR), dark, light)


def _cells(size: Size, along: int) -> Size:
    cell = max(1, min(size) // along)
    return max(2, size[0] // cell), max(2, size[1] // cell)


def _noise(rng: random.Random, cells: Size, size: Size) -> Image.Image:
    """Return grey noise of so many cells, softly enlarged."""
    noise = Image.frombytes("L", cells, rng.randbytes(cells[0] * cells[1]))
    return noise if cells == size else noise.resize(size, Image.Resampling.BICUBIC)


def _overlaid(image: Image.Image, noise: Image.Image, levels: int) -> Image.Image:
    """Make a picture lighter and darker by a noise, by half of `levels` at most."""
    weak = noise.point(lambda level: level * levels / 255)
    return ImageChops.add(image, Image.merge("RGB", (weak,) * 3), offset=-levels // 2)


def _outline(shape: str, radius: float, turn: float) -> list[tuple[float, float]]:
    """Return the corners around the centre."""
    angles = [radians(corner + turn) for corner in CORNERS[shape]]
    return [(radius * cos(angle), radius * sin(angle)) for angle in angles]
