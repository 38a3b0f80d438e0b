"""Pictures looked into: their structure, their end and what is behind it, and their pixels."""

import ast
import importlib.util
import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.gateway.inspection.finding import Limits, Refused
from serving.gateway.inspection.jpeg import MAX_SCANS
from serving.gateway.inspection.pixels import ENGINE_ORDER, FORMATS, look
from serving.gateway.inspection.png import MAX_CHUNKS, SPARE_BYTES
from tests.hostile.pictures import TAILS, chunk, drawn, png, two_in_one

LIMITS = Limits(max_frames=10, max_side=512)
DAMAGED = "is damaged and cannot be decoded"
CUT_OFF = "is cut off before its end"


def refusal(data: bytes, form: str = "PNG", limits: Limits = LIMITS) -> tuple[str, str]:
    """Return the code and sentence that a file is refused with."""
    with pytest.raises(Refused) as refused:
        look(data, form, limits)
    return refused.value.code, refused.value.what


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (33, 21), (512, 300)])
def test_a_sound_picture_has_its_size(form, size):
    """Every served format."""
    assert look(drawn(form, size), form, LIMITS) == {"width": size[0], "height": size[1]}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (100, 63)])
def test_every_kind_of_png_holds_what_its_size_needs(mode, size):
    """Bits, channels and palettes."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    assert look(buffer.getvalue(), "PNG", LIMITS)["width"] == size[0]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (8, 8), (33, 21)])
def test_an_interlaced_png_is_counted_by_its_passes(size):
    """One byte less than Adam7's seven passes need is a file cut off."""
    width, height = size
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    rows = b""
    for column, row, across, down in (*starts, (0, 1, 1, 2)):
        columns = len(range(column, width, across))
        rows += (bytes(1 + columns) if columns else b"") * len(range(row, height, down))

    def interlaced(data: bytes) -> bytes:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
        body = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + head + body

    Image.open(io.BytesIO(interlaced(rows))).load()
    assert look(interlaced(rows), "PNG", LIMITS)["width"] == width
    assert CUT_OFF in refusal(interlaced(rows[:-1]))[1]


@pytest.mark.parametrize("form", FORMATS)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(form, share):
    """Not one byte may be missing, but for the trailer of a GIF."""
    data = drawn(form)[: -1 if form == "GIF" else None]
    cut = data[: max(16, int(len(data) * share))]
    with pytest.raises(Exception):  # noqa: B017  # of any kind: the worker makes them one
        look(cut, form, LIMITS)


@pytest.mark.parametrize(("form", "lost"), [("PNG", 1), ("JPEG", 1), ("WEBP", 1), ("GIF", 2)])
def test_a_file_without_its_last_byte_is_cut_off(form, lost):
    """The end is looked for before anything is decoded; a GIF's trailer is no part of it."""
    code, what = refusal(drawn(form)[:-lost], form)
    assert (code, what) == ("{}_parse_error", f"{CUT_OFF}. Send the whole file.")


@pytest.mark.parametrize("frames", [1, 3])
def test_a_gif_without_its_trailer_is_whole(frames):
    """The web is full of them, and the engine reads them."""
    data = drawn("GIF", frames=frames)[:-1]
    assert look(data, "GIF", LIMITS) == {"width": 33, "height": 21}
    assert "holds a script" in refusal(data + b";#!/bin/sh", "GIF")[1]


def test_a_png_whose_data_is_cut_off_within_sound_chunks_is_refused():
    """IEND alone makes no picture."""
    half = zlib.compress(bytes(50))
    assert CUT_OFF in refusal(png(9, 10, packed=half))[1]


def test_a_png_with_a_wrong_checksum_is_refused():
    """Somebody changed a pixel."""
    data = bytearray(drawn("PNG"))
    data[data.index(b"IDAT") + 9] ^= 1
    with pytest.raises((SyntaxError, Refused)):
        look(bytes(data), "PNG", LIMITS)


@pytest.mark.parametrize(("spare", "allowed"), [(0, True), (SPARE_BYTES, True), (2**17, False)])
def test_a_png_that_unpacks_to_more_than_its_pixels_is_refused(spare, allowed):
    """Some bytes too many are a careless encoder's, megabytes are a bomb."""
    data = png(64, 64, packed=zlib.compress(bytes(65 * 64 + spare)))
    if allowed:
        assert look(data, "PNG", LIMITS)["width"] == 64
    else:
        code, what = refusal(data)
        assert (code, "than its size in pixels needs" in what) == ("{}_too_large", True)


@pytest.mark.parametrize(("count", "allowed"), [(MAX_CHUNKS - 3, True), (MAX_CHUNKS - 2, False)])
def test_a_png_of_too_many_parts_is_refused(count, allowed):
    """Each costs time."""
    data = png(8, 8, chunk(b"teSt", b"") * count)
    if allowed:
        assert look(data, "PNG", LIMITS)["width"] == 8
    else:
        assert DAMAGED in refusal(data)[1]


@pytest.mark.parametrize(("more", "allowed"), [(0, True), (1, False)])
def test_a_jpeg_of_too_many_scans_is_refused(more, allowed):
    """Each is a pass over the whole picture."""
    data = drawn("JPEG", (64, 64), progressive=True)
    start = data.index(b"\xff\xda")
    scan = data[start : data.index(b"\xff", start + 20)]
    data = data[:-2] + scan * (MAX_SCANS - data.count(b"\xff\xda") + more) + data[-2:]
    if allowed:
        assert look(data, "JPEG", LIMITS)["width"] == 64
    else:
        code, what = refusal(data, "JPEG")
        assert (code, f"more than {MAX_SCANS} scans" in what) == ("{}_too_large", True)


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP"])
def test_an_animation_is_allowed_up_to_its_limit(form):
    """The model sees the first frame; who would look at thousands?"""
    data = drawn(form, (16, 16), frames=10)
    assert look(data, form, LIMITS)["width"] == 16
    code, what = refusal(data, form, Limits(max_frames=9, max_side=512))
    assert code == "{}_too_large"
    assert what.startswith("is an animation of 10 frames; the limit is 9.")


def test_a_png_that_states_more_frames_than_it_has_is_refused():
    """The statement is what decoders prepare for."""
    assert "of 11 frames" in refusal(png(4, 4, chunk(b"acTL", struct.pack(">II", 11, 0))))[1]


def test_a_size_over_the_limit_is_told_and_not_decoded():
    """A frame larger than its screen is the size that counts; nothing of it is unpacked."""
    data = bytearray(drawn("GIF", (8, 8)))
    at = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    data[at + 5 : at + 9] = struct.pack("<HH", 8000, 600)
    assert look(bytes(data), "GIF", LIMITS) == {"width": 8000, "height": 600}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("gap", [b"", bytes(3)])
def test_another_format_behind_the_end_is_refused(form, tail, gap):
    """Archives, documents, pages, scripts and programs."""
    code, what = refusal(drawn(form) + gap + tail, form)
    assert code == "unsupported_{}_format"
    assert "behind the picture. Send the picture alone." in what


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(bytes(5000), id="zeros"),
        pytest.param(b"\r\n", id="a line's end"),
        pytest.param(drawn("JPEG"), id="MPF's second picture"),
        pytest.param(b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(9000), id="motion photo"),
        pytest.param(b"\0\0\x01\n\x0e\0\0\0Image_UTC_Data1669SEFHk\0\0\0SEFT", id="Samsung's note"),
        pytest.param(b"<?xml version='1.0'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/>", id="XMP"),
        pytest.param(random.Random(2).randbytes(200_000), id="noise"),
        pytest.param(b"about PK and MZ", id="words"),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_what_cameras_leave_behind_the_end_is_allowed(form, tail):
    """Real files have such tails."""
    assert look(drawn(form) + tail, form, LIMITS)["width"] == 33


@pytest.mark.parametrize("seed", range(4))
def test_a_file_of_two_formats_is_refused(seed):
    """The engine's decoder would see another picture than the one that was checked."""
    data = two_in_one(random.Random(seed)).data
    form = "PNG" if data.startswith(b"\x89PNG") else "JPEG"
    assert Image.open(io.BytesIO(data), formats=[form]).width <= 33
    other = Image.open(io.BytesIO(data), formats=ENGINE_ORDER)
    assert other.width > 33
    said = f"is {form} and {other.format} in one. Send it as one."
    assert refusal(data, form) == ("unsupported_{}_format", said)


def test_the_engine_asks_the_formats_in_this_order():
    """Another order, or another format, would decode other files."""
    vllm = importlib.util.find_spec("vllm")
    if vllm is None or vllm.origin is None:
        pytest.skip("the engine is not installed; enable: make test")
    module = ast.parse(Path(vllm.origin).with_name("multimodal").joinpath("image.py").read_text())
    [order] = [
        ast.literal_eval(line.value)
        for line in module.body
        if isinstance(line, ast.AnnAssign)
        and line.value is not None
        and ast.unparse(line.target) == "ALLOWED_IMAGE_FORMATS"
    ]
    assert order == ENGINE_ORDER


def test_a_jpeg_that_counts_the_pictures_behind_it_is_a_jpeg():
    """Phones write such ones; Pillow has a name of its own for them."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10)).save(
        buffer, "MPO", save_all=True, append_images=[Image.new("RGB", (5, 5))]
    )
    assert Image.open(io.BytesIO(buffer.getvalue())).format == "MPO"
    assert look(buffer.getvalue(), "JPEG", LIMITS) == {"width": 20, "height": 10}


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"restart": 1}])
def test_forms_of_jpeg(options):
    """Progressive scans, and restarts within them."""
    options = {"restart_marker_blocks": 1} if "restart" in options else options
    assert look(drawn("JPEG", (200, 100), **options), "JPEG", LIMITS)["height"] == 100


def test_a_text_that_unpacks_to_megabytes_is_not_unpacked():
    """Pillow's own limit holds for the text and the profile of a PNG."""
    packed = zlib.compress(bytes(2**24), 9)
    for kind, head in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")):
        with pytest.raises(ValueError, match="too large"):
            look(png(8, 8, chunk(kind, head + packed)), "PNG", LIMITS)


@pytest.mark.parametrize("form", FORMATS)
@given(seed=st.integers(0, 2**32))
def test_no_damage_is_more_than_a_refusal(form, seed):
    """Whatever is changed: a size, or an exception, in bounded time."""
    rng = random.Random(seed)
    data = bytearray(drawn(form, frames=3))
    for _ in range(rng.randint(1, 9)):
        data[rng.randrange(12, len(data))] = rng.randrange(256)
    try:
        found = look(bytes(data), form, LIMITS)
    except Exception:  # of any kind: the worker makes them one
        return
    assert found.keys() == {"width", "height"}
