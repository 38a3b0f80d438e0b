"""The examiner's renderer: the same scenes, drawn by distance instead of by Pillow's pen.

Shares no drawing code with the trainer's renderer (pictures), so that a right answer shows
understanding of the scene and not of one program's edges.
"""

import io
import math
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.tiny_model.scenes import Scene, Shape, corners

SIZES = (
    (64, 64), (96, 64), (96, 96), (128, 128), (160, 120), (224, 224), (320, 240), (384, 384),
    (512, 512), (480, 640), (640, 480), (800, 600), (1024, 768), (1280, 720), (1920, 1080),
)  # fmt: skip
FORMATS = ("PNG", "JPEG", "WEBP")

Plane = NDArray[np.float32]


def render(scene: Scene, width: int, height: int) -> Image.Image:
    """Draw a scene with edges one pixel soft, as an RGB picture."""
    first, second = (np.array(colour, dtype=np.float32) for colour in scene.background)
    slope = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    canvas = np.broadcast_to(first * (1 - slope) + second * slope, (height, width, 3)).copy()
    unit = min(width, height)
    shade = np.array(scene.shade, dtype=np.float32)
    for shape in scene.shapes:
        rows, columns = _window(shape, unit, width, height)
        y, x = np.mgrid[rows, columns].astype(np.float32) + 0.5
        cover = np.clip(0.5 - _distance(scene.kind, shape, unit, x, y), 0, 1)[..., None]
        canvas[rows, columns] = canvas[rows, columns] * (1 - cover) + shade * cover
    return Image.fromarray(canvas.round().astype(np.uint8))


def _window(shape: Shape, unit: int, width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns that a shape can touch."""
    reach = 1.3 * shape.radius * unit + 2
    x, y = shape.x * unit, shape.y * unit
    return (
        slice(max(0, int(y - reach)), min(height, int(y + reach) + 1)),
        slice(max(0, int(x - reach)), min(width, int(x + reach) + 1)),
    )


def _distance(kind: str, shape: Shape, unit: int, x: Plane, y: Plane) -> Plane:
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
