"""Cold pictures were never sent before in a run, repeated ones were."""

import base64
import io
import random
from collections import Counter
from itertools import islice

import pytest
from PIL import Image

from loadtests.prompt import Pictures
from loadtests.scenario import Served
from loadtests.workloads.documents import DOCUMENT, page
from loadtests.workloads.films import VIDEO
from loadtests.workloads.pictures import MANY, SINGLE, STRUCTURED, single
from loadtests.workloads.workload import Workload

SERVED = Served("m", "m")
SMALL = Workload(
    tuple(single("360p", form, sent) for form in ("JPEG", "PNG") for sent in list(Pictures)[1:])
)
MORE_THAN_DRAWN = 60


def prompts(workload, count=MORE_THAN_DRAWN, seed=1):
    """Return the first prompts."""
    return list(islice(workload.prompts(random.Random(seed), SERVED), count))


def urls(prompt):
    """Return the pictures and videos of a prompt."""
    return [
        part[part["type"]]["url"]
        for message in prompt.messages
        for part in message["content"]
        if part["type"] != "text"
    ]


@pytest.mark.parametrize(
    "workload",
    [SMALL, MANY, STRUCTURED, DOCUMENT, VIDEO],
    ids=["one", "many", "json", "page", "film"],
)
def test_cold_is_new_and_repeated_is_not(workload):
    """Long after the drawn pictures are used up; every part is marked as what it is."""
    seen = set()
    for prompt in prompts(workload):
        for url in urls(prompt):
            assert (url in seen) is (prompt.pictures is Pictures.REPEATED)
            seen.add(url)
    assert len(seen) >= 42


def test_repeated_pictures_come_again_soon():
    """Half of the requests show one of a few pictures, whose first showing counts as cold."""
    asked = prompts(SMALL)
    repeated = [p for p in asked if p.pictures is Pictures.REPEATED]
    assert {p.kind for p in repeated} == {"360p JPEG repeated", "360p PNG repeated"}
    assert all("cold" in p.kind for p in asked if p.pictures is Pictures.COLD)
    counts = Counter(urls(p)[0] for p in repeated)
    assert len(counts) <= 12
    assert sum(counts.values()) == 60 / 2 - 12


def test_both_formats_show_the_same_scenes():
    """A JPEG and a PNG of one turn have the same answer, so that their rows compare."""
    asked = prompts(SMALL, 40)
    assert [(p.messages[0]["content"][1], p.right) for p in asked[0::4]] == [
        (p.messages[0]["content"][1], p.right) for p in asked[2::4]
    ]


@pytest.mark.parametrize(
    ("size", "form", "pixels"),
    [
        pytest.param("360p", "PNG", (640, 360), id="360p"),
        pytest.param("720p", "JPEG", (1280, 720), id="720p"),
        pytest.param("1080p", "JPEG", (1920, 1080), id="1080p"),
        pytest.param("4K", "JPEG", (3840, 2160), id="4K"),
    ],
)
def test_sizes_are_what_they_are_called(size, form, pixels):
    """Width, height and format."""
    [prompt] = prompts(Workload((single(size, form, Pictures.COLD),)), 1)
    data = base64.b64decode(urls(prompt)[0].split(",")[1])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.format) == (pixels, form)
    assert prompt.picture_count == 1


def test_there_is_a_row_for_every_size_format_and_state():
    """Four sizes, two formats, cold and repeated."""
    expected = {
        f"{size} {form} {sent}"
        for size in ("360p", "720p", "1080p", "4K")
        for form in ("JPEG", "PNG")
        for sent in ("cold", "repeated")
    }
    assert set(SINGLE.rows) == expected
    assert len(SINGLE.rows) == 16


def test_several_pictures_are_counted():
    """Two, four and eight, different ones."""
    asked = prompts(MANY, 6)
    assert [p.picture_count for p in asked] == [2, 4, 8] * 2
    assert all(len(set(urls(p))) == p.picture_count for p in asked)


def test_a_page_is_dense_with_text():
    """It has ink in about half of its rows of pixels, from the top margin to the bottom one."""
    grey = page(random.Random(1), 48_213).convert("L")
    rows = grey.resize((1, grey.height), Image.Resampling.BOX).tobytes()
    written = [y for y, level in enumerate(rows) if level < 244]
    assert 0.4 < len(written) / len(rows) < 0.8
    assert (min(written) < 110, max(written) > 1600) == (True, True)
