"""Draws the model page's sample pictures: `python -m serving.tiny_model.page_pictures`.

A picture depends on its sample alone, so that drawing it again gives the same pixels.
"""

import random
from pathlib import Path

from PIL import Image

import serving.gateway.page
from serving.gateway.page.samples import SAMPLES, Sample
from serving.tiny_model.exam_pictures import encode, render
from serving.tiny_model.scenes import Scene, random_scene

FOLDER = Path(serving.gateway.page.__file__).parent / "samples"
SIZE = (320, 240)
MAX_TURN = 5  # degrees: a square that is turned further is a diamond to some
PAPER, NIGHT = 225, 45  # channels of backgrounds that are light and dark to everybody
AT_NIGHT = ("yellow", "orange")


def picture_for(sample: Sample) -> Image.Image:
    """Draw a sample."""
    return render(scene_for(sample), *SIZE)


def scene_for(sample: Sample) -> Scene:
    """Return the first scene that shows a sample before a light or a dark background."""
    rng = random.Random(f"page/{sample.file}")  # noqa: S311 — repeatable
    while True:
        scene = random_scene(rng, SIZE[0] / SIZE[1], sample.count)
        if (scene.colour, scene.kind) == (sample.colour, sample.kind) and _stands_out(scene):
            return scene


def _stands_out(scene: Scene) -> bool:
    channels = [channel for colour in scene.background for channel in colour]
    plain = max(channels) <= NIGHT if scene.colour in AT_NIGHT else min(channels) >= PAPER
    return plain and all(abs(shape.turn) <= MAX_TURN for shape in scene.shapes)


def write(folder: Path) -> None:
    """Write every picture."""
    for sample in SAMPLES:
        packed = encode(picture_for(sample), "PNG", random.Random(0))  # noqa: S311 — unused by PNG
        (folder / sample.file).write_bytes(packed)


if __name__ == "__main__":
    write(FOLDER)
