"""The trainer's renderer: scenes drawn with Pillow, with the wear of real pictures.

The examination draws with code of its own (exam_pictures), so that a score cannot come from
knowing this renderer.
"""

import io
import random

from PIL import Image, ImageDraw, ImageFilter

from serving.tiny_model.scenes import Scene, Shape, corners


def draw(scene: Scene, width: int, height: int, rng: random.Random) -> Image.Image:
    """Render a scene at a size in pixels, as an RGB picture, worn at random."""
    scale = rng.choice((0.5, 1.0, 1.0, 1.0, 1.5)) if min(width, height) < 400 else 1.0
    drawn = max(48, round(width * scale)), max(48, round(height * scale))
    picture = _paint(scene, *drawn, smooth=rng.random() < 0.6)
    picture = _wear(picture, rng)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return picture


def _paint(scene: Scene, width: int, height: int, *, smooth: bool) -> Image.Image:
    """Draw the shapes; `smooth` draws them twice as large first, which softens the edges."""
    factor = 2 if smooth else 1
    picture = _canvas(scene, width, height)
    mask = Image.new("L", (width * factor, height * factor))
    pen = ImageDraw.Draw(mask)
    unit = min(width, height) * factor
    for shape in scene.shapes:
        _stamp(pen, scene.kind, shape, unit)
    if factor > 1:
        mask = mask.resize((width, height), Image.Resampling.BOX)
    picture.paste(Image.new("RGB", (width, height), scene.shade), mask=mask)
    return picture


def _canvas(scene: Scene, width: int, height: int) -> Image.Image:
    first, second = scene.background
    if first == second:
        return Image.new("RGB", (width, height), first)
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(
        Image.new("RGB", (width, height), first), Image.new("RGB", (width, height), second), ramp
    )


def _stamp(pen: ImageDraw.ImageDraw, kind: str, shape: Shape, unit: int) -> None:
    if kind == "circle":
        x, y, r = shape.x * unit, shape.y * unit, shape.radius * unit
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    else:
        pen.polygon([(x * unit, y * unit) for x, y in corners(kind, shape)], fill=255)


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
