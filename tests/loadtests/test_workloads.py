"""Requests are the same for the same seed, and pictures show what is asked about."""

import base64
import io
import json
from itertools import islice

import pytest
from PIL import Image

from loadtests.pictures import COLOURS, picture_pool
from loadtests.scenarios.mixed import SCENARIO
from loadtests.workloads import Prompt, is_right, requests


def drawn(seed, count=20):
    """Return the bodies of the first requests."""
    return [r.body for r in islice(requests(seed, SCENARIO.mix, "m"), count)]


def test_the_same_seed_gives_the_same_requests():
    """A run can be repeated byte for byte; another seed is another run."""
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_requests_stream_with_usage_and_a_limit():
    """Every request is streamed, asks for usage and is bounded."""
    for request in map(json.loads, drawn(3)):
        assert request["stream"] is True
        assert request["stream_options"] == {"include_usage": True}
        assert 0 < request["max_tokens"] <= 4096


def test_the_mix_holds_all_kinds():
    """Text, pictures and long thoughts all occur."""
    kinds = {r.prompt.kind for r in islice(requests(SCENARIO.seed, SCENARIO.mix, "m"), 50)}
    assert kinds == {"text", "picture", "long thought"}


def islands(image, colour):
    """Count the connected areas near a colour, by flooding a small copy."""
    small = image.resize((image.width * 96 // image.height, 96), Image.Resampling.NEAREST)
    pixels = {
        (x, y)
        for x in range(small.width)
        for y in range(small.height)
        if sum(abs(a - b) for a, b in zip(small.getpixel((x, y)), colour, strict=True)) < 60
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


def test_pictures_show_what_they_say():
    """As many areas of the colour as shapes, in every format and size."""
    formats = set()
    for picture in picture_pool(5, 24):
        image = Image.open(io.BytesIO(base64.b64decode(picture.data_url.split(",")[1])))
        formats.add(image.format)
        assert picture.data_url.startswith(f"data:image/{image.format.lower()};base64,")
        assert islands(image.convert("RGB"), COLOURS[picture.colour]) == picture.count
    assert formats == {"PNG", "JPEG", "WEBP"}


@pytest.mark.parametrize(
    ("right", "answer", "expected"),
    [
        pytest.param(("19",), "19", True, id="bare"),
        pytest.param(("19",), "12 + 7 = **19**.", True, id="in a sentence"),
        pytest.param(("19",), "119", False, id="part of a number"),
        pytest.param(("3", "three"), "There are Three shapes.", True, id="word"),
        pytest.param(("square",), "Squares", True, id="plural"),
        pytest.param(("red",), "It is hundred.", False, id="part of a word"),
        pytest.param(("red",), "", False, id="empty"),
    ],
)
def test_right_answers_are_recognised(right, answer, expected):
    """A right word counts alone or in a sentence, never inside another word."""
    assert is_right(Prompt("text", "", 1, right), answer) is expected
