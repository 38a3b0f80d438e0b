"""The examiner's renderer: the same pictures, drawn by distance instead of by Pillow's pen.

Shares no drawing code with the trainer's renderer (pictures), so that a right answer shows
understanding of the scene and not of one program's edges.
"""

import io
import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.tiny_model.digits import Note, Point
from serving.tiny_model.samples import Picture
from serving.tiny_model.scenes import Scene, Shape, corners

SIZES = (
    (64, 64), (96, 64), (96, 96), (128, 128), (160, 120), (224, 224), (320, 240), (384, 384),
    (512, 512), (480, 640), (640, 480), (800, 600), (1024, 768), (1280, 720), (1920, 1080),
)  # fmt: skip
FORMATS = ("PNG", "JPEG", "WEBP")

Plane: TypeAlias = NDArray[np.float32]
# The distance of pixels, whose places come as x and y, to an outline; negative inside.
Outline: TypeAlias = Callable[[Plane, Plane], Plane]


def render(picture: Picture, width: int, height: int) -> Image.Image:
    """Draw what a picture shows with edges one pixel soft, as an RGB picture."""
    first, second = (np.array(colour, dtype=np.float32) for colour in picture.layers[0].background)
    slope = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    canvas = np.broadcast_to(first * (1 - slope) + second * slope, (height, width, 3)).copy()
    unit = min(width, height)
    for layer in picture.layers:
        shade = np.array(layer.shade, dtype=np.float32)
        for centre, reach, distance in _figures(layer, unit):
            rows, columns = _window(centre, reach, width, height)
            y, x = np.mgrid[rows, columns].astype(np.float32) + 0.5
            cover = np.clip(0.5 - distance(x, y), 0, 1)[..., None]
            canvas[rows, columns] = canvas[rows, columns] * (1 - cover) + shade * cover
    return Image.fromarray(canvas.round().astype(np.uint8))


def _figures(
    layer: Scene | Note, unit: int
) -> Iterator[tuple[tuple[float, float], float, Outline]]:
    """Yield each shape's or digit's centre and reach in pixels, and its distance function."""
    if isinstance(layer, Note):
        thick = layer.weight * layer.height * unit / 2
        for (left, top, wide, high), lines in zip(layer.boxes(), layer.lines(), strict=True):
            centre = (left + wide / 2) * unit, (top + high / 2) * unit
            yield centre, high * unit, partial(_from_lines, lines, unit, thick)
    else:
        for shape in layer.shapes:
            centre = shape.x * unit, shape.y * unit
            yield centre, 1.3 * shape.radius * unit, partial(_from_shape, layer.kind, shape, unit)


def _window(
    centre: tuple[float, float], reach: float, width: int, height: int
) -> tuple[slice, slice]:
    """Return the rows and columns that a figure can touch."""
    (x, y), reach = centre, reach + 2
    return (
        slice(max(0, int(y - reach)), min(height, int(y + reach) + 1)),
        slice(max(0, int(x - reach)), min(width, int(x + reach) + 1)),
    )


def _from_lines(
    lines: list[tuple[Point, Point]], unit: int, thick: float, x: Plane, y: Plane
) -> Plane:
    """Return each pixel's distance to strokes that reach `thick` pixels to each side."""
    distance = np.full_like(x, np.inf)
    for start, end in lines:
        (x1, y1), (x2, y2) = np.multiply(start, unit), np.multiply(end, unit)
        dx, dy = x2 - x1, y2 - y1
        along = np.clip(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.minimum(distance, np.hypot(x - x1 - along * dx, y - y1 - along * dy))
    return distance - np.float32(thick)


def _from_shape(kind: str, shape: Shape, unit: int, x: Plane, y: Plane) -> Plane:
    """Return each pixel's distance to the outline in pixels, negative inside."""
    if kind == "circle":
        from_centre: Plane = np.hypot(x - shape.x * unit, y - shape.y * unit)
        return from_centre - shape.radius * unit
    points = [(px * unit, py * unit) for px, py in corners(kind, shape)]
    distance = np.full_like(x, -np.inf)
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        length = math.hypot(x2 - x1, y2 - y1)
        edge = ((y2 - y1) * (x - x1) - (x2 - x1) * (y - y1)) / length
        distance = np.maximum(distance, edge)
    return distance


def encode(picture: Image.Image, name: str, rng: random.Random) -> bytes:
    """Write a picture as PNG, JPEG or WEBP."""
    packed = io.BytesIO()
    options = {} if name == "PNG" else {"quality": rng.randint(70, 95)}
    picture.save(packed, name, **options)
    return packed.getvalue()
