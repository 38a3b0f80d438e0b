"""Format and size from a picture's first bytes, compared with what Pillow wrote."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.gateway.picture import Picture, inspect

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def drawn(form: str, size: tuple[int, int], **options: object) -> bytes:
    """Return a picture file."""
    buffer = io.BytesIO()
    mode = "RGBA" if options.pop("alpha", False) else "RGB"
    Image.new(mode, size, "red").save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3000, 17)])
def test_size_and_format_are_recognised(form, size):
    """Every served format, small and large."""
    assert inspect(drawn(form, size)) == Picture(FORMATS[form], *size)


@pytest.mark.parametrize("options", [{"lossless": True}, {"alpha": True}, {"exif": b"Exif\0\0x"}])
def test_forms_of_webp(options):
    """Lossy, lossless and extended files."""
    assert inspect(drawn("WEBP", (321, 123), **options)) == Picture("image/webp", 321, 123)


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + b"x" * 60_000}])
def test_forms_of_jpeg(options):
    """Progressive, and with a long header before the size."""
    assert inspect(drawn("JPEG", (321, 123), **options)) == Picture("image/jpeg", 321, 123)


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"BM" + b"x" * 60, b"%PDF-1.4", b"RIFF1234WAVE"])
def test_everything_else_is_no_picture(data):
    """Other formats are not guessed at."""
    assert inspect(data) is None


@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 60))
def test_a_cut_file_is_never_a_fault(form, length):
    """Any beginning of a file gives a verdict, not an exception."""
    picture = inspect(drawn(form, (8, 8))[:length])
    assert picture is None or picture.media_type == FORMATS[form]


def test_tokens_bound_what_a_picture_takes():
    """One token for 32 × 32 pixels, at least 256."""
    assert Picture("image/png", 64, 64).tokens == 256
    assert Picture("image/png", 1921, 1080).tokens == 61 * 34


def test_a_png_whose_size_is_not_first_is_not_readable():
    """Pillow finds the size behind another chunk; what stands in its place must not count."""
    data = drawn("PNG", (6000, 10))
    hidden = data[:8] + b"\0\0\0\x08teSt" + b"\0\0\0\x40" * 2 + b"\0\0\0\0" + data[8:]
    assert inspect(hidden) == Picture("image/png", 0, 0)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe1\0\2"])
def test_a_jpeg_that_only_costs_time_is_given_up(filler):
    """The search for the size has an end."""
    data = drawn("JPEG", (321, 123))
    few, many = (data[:2] + filler * count + data[2:] for count in (100, 100_000))
    assert inspect(few) == Picture("image/jpeg", 321, 123)
    assert inspect(many) == Picture("image/jpeg", 0, 0)
