"""Pictures of one to three equal shapes, drawn and encoded before the load begins."""

import base64
import io
import random
from dataclasses import dataclass
from math import cos, dist, radians, sin

from PIL import Image, ImageDraw

COLOURS = {
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
CORNERS = {
    "circle": tuple(range(0, 360, 5)),
    "square": (45, 135, 225, 315),
    "triangle": (30, 150, 270),
}
BACKGROUNDS = ((232, 232, 228), (150, 155, 160), (60, 62, 70))
MIN_CONTRAST = 130.0
MAX_COUNT = 3
SIZES = ((128, 128), (320, 240), (512, 512), (1024, 768))
FORMATS = ("PNG", "JPEG", "WEBP")
# Shapes stand in the cells of a grid; radii are parts of the shorter side, small enough for a cell.
GRID = (3, 2)
RADII = (0.12, 0.135)
JITTER = 0.02
MAX_TURN = 10  # degrees; triangles point upwards


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture and what it shows."""

    number: int
    data_url: str
    colour: str
    shape: str
    count: int


def picture_pool(seed: int, size: int) -> tuple[Picture, ...]:
    """Draw `size` pictures, the same for the same seed; sizes and formats take turns."""
    rng = random.Random(f"pictures {seed}")  # noqa: S311 - repeatable, not secret
    return tuple(_picture(rng, number) for number in range(size))


def _picture(rng: random.Random, number: int) -> Picture:
    colour, shape = rng.choice(list(COLOURS)), rng.choice(list(CORNERS))
    count = rng.randint(1, MAX_COUNT)
    width, height = SIZES[number % len(SIZES)]
    backgrounds = [b for b in BACKGROUNDS if dist(b, COLOURS[colour]) >= MIN_CONTRAST]
    image = Image.new("RGB", (width, height), rng.choice(backgrounds))
    draw = ImageDraw.Draw(image)
    cells = [(x, y) for x in range(GRID[0]) for y in range(GRID[1])]
    for column, row in rng.sample(cells, count):
        side = min(width, height)
        x = width * (column + 0.5) / GRID[0] + rng.uniform(-JITTER, JITTER) * side
        y = height * (row + 0.5) / GRID[1] + rng.uniform(-JITTER, JITTER) * side
        outline = _outline(shape, rng.uniform(*RADII) * side, rng.uniform(-MAX_TURN, MAX_TURN))
        draw.polygon([(x + dx, y + dy) for dx, dy in outline], fill=COLOURS[colour])
    # Coprime lengths: every size comes in every format.
    return Picture(number, _data_url(image, FORMATS[number % len(FORMATS)]), colour, shape, count)


def _outline(shape: str, radius: float, turn: float) -> list[tuple[float, float]]:
    """Return the corners around the centre."""
    angles = [radians(corner + turn) for corner in CORNERS[shape]]
    return [(radius * cos(angle), radius * sin(angle)) for angle in angles]


def _data_url(image: Image.Image, form: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, form, quality=90)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{encoded}"
