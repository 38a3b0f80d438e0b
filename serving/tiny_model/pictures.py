"""The trainer's renderer: pictures drawn with Pillow, with the wear of real pictures.

The examination draws with code of its own (exam_pictures), so that a score cannot come from
knowing this renderer.
"""

import io
import random
from itertools import chain

from PIL import Image, ImageDraw, ImageFilter

from serving.tiny_model.digits import Note
from serving.tiny_model.samples import Picture
from serving.tiny_model.scenes import Rgb, Scene, corners


def draw(picture: Picture, width: int, height: int, rng: random.Random) -> Image.Image:
    """Render what a picture shows at a size in pixels, as an RGB picture, worn at random."""
    scale = rng.choice((0.5, 1.0, 1.0, 1.0, 1.5)) if min(width, height) < 400 else 1.0
    drawn = max(48, round(width * scale)), max(48, round(height * scale))
    painted = _paint(picture, *drawn, smooth=rng.random() < 0.6)
    painted = _wear(painted, rng)
    if painted.size != (width, height):
        painted = painted.resize((width, height), Image.Resampling.BICUBIC)
    return painted


def _paint(picture: Picture, width: int, height: int, *, smooth: bool) -> Image.Image:
    """Draw all that is shown; `smooth` draws it twice as large first, which softens the edges."""
    painted = _canvas(picture.layers[0].background, width, height)
    factor = 2 if smooth else 1
    for layer in picture.layers:
        mask = Image.new("L", (width * factor, height * factor))
        pen, unit = ImageDraw.Draw(mask), min(width, height) * factor
        if isinstance(layer, Note):
            _write(pen, layer, unit)
        else:
            _stamp(pen, layer, unit)
        if factor > 1:
            mask = mask.resize((width, height), Image.Resampling.BOX)
        painted.paste(Image.new("RGB", (width, height), layer.shade), mask=mask)
    return painted


def _canvas(background: tuple[Rgb, Rgb], width: int, height: int) -> Image.Image:
    first, second = background
    if first == second:
        return Image.new("RGB", (width, height), first)
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(
        Image.new("RGB", (width, height), first), Image.new("RGB", (width, height), second), ramp
    )


def _stamp(pen: ImageDraw.ImageDraw, scene: Scene, unit: int) -> None:
    for shape in scene.shapes:
        if scene.kind == "circle":
            x, y, r = shape.x * unit, shape.y * unit, shape.radius * unit
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
        else:
            pen.polygon([(x * unit, y * unit) for x, y in corners(scene.kind, shape)], fill=255)


def _write(pen: ImageDraw.ImageDraw, note: Note, unit: int) -> None:
    """Draw every piece of the strokes with round ends."""
    thick = max(1.0, note.weight * note.height * unit)
    for (x1, y1), (x2, y2) in chain(*note.lines()):
        ends = (x1 * unit, y1 * unit), (x2 * unit, y2 * unit)
        pen.line(ends, fill=255, width=round(thick))
        for x, y in ends:
            pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)


def _wear(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Blur, add grain or compress, as cameras and encoders do; half of all pictures stay clean."""
    choice = rng.random()
    if choice < 0.08:
        return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    if choice < 0.15:
        grain = Image.effect_noise(picture.size, rng.uniform(3, 14)).convert("RGB")
        return Image.blend(picture, grain, 0.06)
    if choice < 0.5:
        packed = io.BytesIO()
        picture.save(packed, rng.choice(("JPEG", "WEBP")), quality=rng.randint(55, 95))
        return Image.open(packed).convert("RGB")
    return picture
