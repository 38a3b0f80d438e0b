"""A copy of a file is another file with the same content."""

import base64
import io
import random
from importlib.resources import files

import av
import pytest
from PIL import Image

from loadtests.workloads.files import File, encoded_picture
from loadtests.workloads.scenes import draw, random_scene
from serving.gateway.inspection.finding import Limits
from serving.gateway.inspection.streams import look


def opened(url):
    """Return media type and bytes of a data URL, whose base64 must be without a fault."""
    head, packed = url.split(",")
    return head, base64.b64decode(packed, validate=True)


@pytest.mark.parametrize("remark", ["a", "ab", "abc", "0123456789abcdef"])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_copied_picture_differs_in_its_remark_alone(form, remark):
    """The same pixels in different bytes, whatever the remark's length."""
    rng = random.Random(1)
    image = draw(rng, random_scene(rng), (160, 90))
    plain, copy = (encoded_picture(image, form).url(text) for text in ("", remark))
    head, data = opened(copy)
    assert head == f"data:image/{form.lower()};base64"
    assert data != opened(plain)[1]
    with Image.open(io.BytesIO(data)) as shown, Image.open(io.BytesIO(opened(plain)[1])) as same:
        assert shown.format == form
        assert shown.tobytes() == same.tobytes()
        if form == "PNG":
            assert same.tobytes() == image.tobytes()


@pytest.mark.parametrize("colour", ["red", "blue", "yellow"])
def test_a_copied_video_plays(colour):
    """The gateway takes it, FFmpeg decodes every frame, and the file in the package is small."""
    original = files("loadtests.workloads.videos").joinpath(f"{colour}.mp4").read_bytes()
    head, data = opened(File(original, "MP4").url("0123456789abcdef"))
    assert head == "data:video/mp4;base64"
    assert data.startswith(original)
    assert len(original) < len(data) < 100_000
    found = look(data, "MP4", Limits(max_frames=8, max_side=4096))
    assert (found["width"], found["height"], found["frames"]) == (640, 360, 48)
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 48
