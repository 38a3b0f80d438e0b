"""Format and size from a picture's first bytes, compared with what Pillow wrote."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.gateway.picture import PICTURE_TYPES, picture_format, picture_size, picture_tokens

SERVED = ["PNG", "JPEG", "WEBP", "GIF"]


def drawn(form: str, size: tuple[int, int] = (8, 8), **options: object) -> bytes:
    """Return a picture file."""
    buffer = io.BytesIO()
    mode = "RGBA" if options.pop("alpha", False) else "RGB"
    Image.new(mode, size, "red").save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", SERVED)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3000, 17)])
def test_size_and_format_are_recognised(form, size):
    """Every served format, small and large; its media type is the one Pillow knows."""
    data = drawn(form, size)
    assert (picture_format(data), picture_size(data)) == (form, size)
    assert PICTURE_TYPES[form] == Image.open(io.BytesIO(data)).get_format_mimetype()


@pytest.mark.parametrize("options", [{"lossless": True}, {"alpha": True}, {"exif": b"Exif\0\0x"}])
def test_forms_of_webp(options):
    """Lossy, lossless and extended files."""
    assert picture_size(drawn("WEBP", (321, 123), **options)) == (321, 123)


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + b"x" * 60_000}])
def test_forms_of_jpeg(options):
    """Progressive, and with a long header before the size."""
    assert picture_size(drawn("JPEG", (321, 123), **options)) == (321, 123)


@pytest.mark.parametrize(
    ("data", "form"),
    [
        pytest.param(drawn("BMP"), "BMP", id="BMP"),
        pytest.param(drawn("TIFF"), "TIFF", id="TIFF"),
        pytest.param(b"MM\0*" + bytes(20), "TIFF", id="big-endian TIFF"),
        pytest.param(drawn("AVIF"), "AVIF", id="AVIF"),
        pytest.param(drawn("JPEG2000"), "JPEG 2000", id="JPEG 2000"),
        pytest.param(drawn("ICO"), "ICO", id="ICO"),
        pytest.param(drawn("PDF"), "PDF", id="PDF"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", id="HEIC"),
        pytest.param(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC", id="HEIF"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", id="SVG"),
        pytest.param(
            b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg>", "SVG", id="SVG as XML"
        ),
        pytest.param(b"\n<!DOCTYPE html><p><svg/>", "HTML", id="page with an SVG"),
        pytest.param(b"<HTML><body>", "HTML", id="HTML"),
    ],
)
def test_a_format_that_is_not_served_is_named_and_has_no_size(data, form):
    """What people send in place of a picture is told by its name."""
    assert (picture_format(data), picture_size(data)) == (form, None)
    assert form not in PICTURE_TYPES


@pytest.mark.parametrize("data", [b"", b"hello", b"BMW and others", b"RIFF1234WAVE", b"\0" * 64])
def test_everything_else_is_no_picture(data):
    """Nothing is guessed at."""
    assert picture_format(data) is None
    assert picture_size(data) is None


@given(st.sampled_from(SERVED), st.integers(0, 60))
def test_a_cut_file_is_never_a_fault(form, length):
    """Any beginning of a file gives the true size or none, not an exception."""
    data = drawn(form, (300, 200))[:length]
    assert picture_format(data) in (None, form)
    assert picture_size(data) in (None, (300, 200))


def test_tokens_bound_what_a_picture_takes():
    """One token for 32 × 32 pixels, at least 256."""
    assert picture_tokens(64, 64) == 256
    assert picture_tokens(1921, 1080) == 61 * 34


def test_a_png_whose_size_is_not_first_is_not_readable():
    """Pillow finds the size behind another chunk; what stands in its place must not count."""
    data = drawn("PNG", (6000, 10))
    hidden = data[:8] + b"\0\0\0\x08teSt" + b"\0\0\0\x40" * 2 + b"\0\0\0\0" + data[8:]
    assert picture_size(hidden) is None


def test_a_jpeg_marker_without_length_hides_nothing():
    """A decoder reads on behind a bare marker; a false size told in its place must not count."""
    data = drawn("JPEG", (321, 123))
    false = b"\xff\xc0\0\x11\x08\0\x08\0\x08" + bytes(10)
    hidden = data[:2] + b"\xff\xd0\xff\xfe" + (len(false) + 2).to_bytes(2, "big") + false + data[2:]
    assert Image.open(io.BytesIO(hidden)).size == (321, 123)
    assert picture_size(hidden) == (321, 123)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe1\0\2", b"\xff\xd0"])
def test_a_jpeg_that_only_costs_time_is_given_up(filler):
    """The search for the size has an end."""
    data = drawn("JPEG", (321, 123))
    few, many = (data[:2] + filler * count + data[2:] for count in (100, 100_000))
    assert picture_size(few) == (321, 123)
    assert picture_size(many) is None
