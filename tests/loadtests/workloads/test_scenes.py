"""Pictures show what they say and are as large as photographs of their size."""

import io
import random

import pytest
from PIL import Image

from loadtests.workloads.scenes import COLOURS, CORNERS, draw, random_scene


def islands(image, colour):
    """Count the connected areas near a colour, by flooding a small copy."""
    small = image.resize((image.width * 96 // image.height, 96), Image.Resampling.BOX)
    pixels = {
        (x, y)
        for x in range(small.width)
        for y in range(small.height)
        if sum(abs(a - b) for a, b in zip(small.getpixel((x, y)), colour, strict=True)) < 75
    }
    count = 0
    while pixels:
        count += 1
        stack = [pixels.pop()]
        while stack:
            x, y = stack.pop()
            near = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} & pixels
            pixels -= near
            stack += near
    return count


@pytest.mark.parametrize("colour", COLOURS)
def test_there_are_as_many_shapes_as_said(colour):
    """As many areas of the colour as shapes."""
    rng = random.Random(colour)
    scene = random_scene(rng, colour)
    assert scene.colour == colour
    assert scene.shape in CORNERS
    assert islands(draw(rng, scene, (320, 240)), COLOURS[colour]) == scene.count


def test_the_same_generator_draws_the_same_picture():
    """A picture is the same for the same seed, another for another."""

    def drawn(seed):
        rng = random.Random(seed)
        return draw(rng, random_scene(rng), (160, 90)).tobytes()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_file_is_as_large_as_a_photograph_s():
    """A JPEG of a megapixel at quality 85: about 150 KB, and neither flat nor plain noise."""
    rng, sizes = random.Random(1), []
    for _ in range(3):
        packed = io.BytesIO()
        draw(rng, random_scene(rng), (1024, 1024)).save(packed, "JPEG", quality=85)
        sizes.append(packed.tell())
    assert 100_000 < sum(sizes) / len(sizes) < 220_000
