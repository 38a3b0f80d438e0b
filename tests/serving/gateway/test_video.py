"""A video's container by its first bytes, as FFmpeg wrote them, and what the engine takes of it."""

import importlib
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.picture import picture_format
from serving.gateway.video import VIDEO_TYPES, Video, video_format

HEADS = {
    "MP4": "0000001c6674797069736f6d0000020069736f6d69736f32",
    "MOV": "000000146674797071742020000002007174202000000008",
    "WEBM": "1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878102",
    "MPEG": "000001ba2100010001c33367000001bb0009c333670021ff",
    "MKV": "1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b614287",
    "AVI": "524946461a1b0000415649204c495354ec1100006864726c",
    "WMV": "3026b2758e66cf11a6d900aa0062ce6cdf01000000000000",
    "FLV": "464c5601010000000900000000120000b800000000000000",
}


@pytest.mark.parametrize(
    ("head", "form"),
    [
        *(pytest.param(bytes.fromhex(head), form, id=form) for form, head in HEADS.items()),
        pytest.param(b"\0\0\0\x1cftyp3gp4\0\0\2\0", "MP4", id="MP4 of a phone"),
        pytest.param(b"\0\0\0\x1cftypM4V \0\0\2\0", "MP4", id="M4V"),
        pytest.param(b"\0\0\x0f\xa0moov\0\0\0lmvhd", "MOV", id="MOV without a type"),
        pytest.param(
            bytes.fromhex("000001b304004013ffffe020"), "MPEG elementary stream", id="bare MPEG"
        ),
        pytest.param((b"\x47\x40\x11" + b"\xff" * 185) * 3, "MPEG-TS", id="MPEG-TS"),
        pytest.param(b"\0\0\0\x20ftypM4A \0\0\0\0", "M4A", id="M4A"),
        pytest.param(b"OggS\0\2", "OGG", id="OGG"),
        pytest.param(b"RIFF\0\0\0\0WAVEfmt ", "WAV", id="WAV"),
        pytest.param(b"ID3\3\0", "MP3", id="MP3"),
        pytest.param(b"fLaC\0\0", "FLAC", id="FLAC"),
    ],
)
def test_a_container_is_recognised(head, form):
    """Served or not, each has its name, and is no picture."""
    assert video_format(head) == form
    assert picture_format(head) is None


@pytest.mark.parametrize("head", [b"", b"hello", b"\0" * 64, b"G" * 64, b"%PDF-1.4"])
def test_everything_else_is_no_video(head):
    """Nothing is guessed at."""
    assert video_format(head) is None


def test_the_formats_that_people_expect_are_served():
    """The four that hosted endpoints take."""
    assert set(VIDEO_TYPES) == {"MP4", "WEBM", "MOV", "MPEG"}


def test_samples_are_those_that_the_engine_takes():
    """Two a second, at least four, at most what it is set to and what there is."""
    assert Video(64, 48, 300, 30).samples(768) == 20
    assert Video(64, 48, 30, 30).samples(768) == 4
    assert Video(64, 48, 3, 30).samples(768) == 3
    assert Video(64, 48, 90_000, 30).samples(768) == 768
    assert Video(64, 48, 90_000, 30).samples(100) == 100
    assert Video(64, 48, 300, 30).decoded_bytes(768) == 20 * 64 * 48 * 3


@pytest.fixture(scope="module")
def smart_resize() -> Callable[..., tuple[int, int]]:
    """Return how the model's own processor chooses a size; torch behind it is slow to import."""
    pytest.importorskip("torch", reason="the engine is not installed; enable: make test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's own imports warn
        importlib.import_module("serving.engine.torchvision_ops").define_missing()
        processing = "transformers.models.qwen3_vl.video_processing_qwen3_vl"
        return importlib.import_module(processing).smart_resize


@given(
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    frames=st.integers(2, 100_000),
    rate=st.sampled_from([0.5, 4, 24, 29.97, 60]),
    smallest=st.sampled_from([4096, 36_864]),
    largest=st.sampled_from([131_072, 16_777_216]),
)
def test_tokens_bound_what_the_processor_makes(
    smart_resize, width, height, frames, rate, smallest, largest
):
    """Its own rules, applied to as many frames as the engine takes, or with one unreadable."""
    if max(width, height) > 200 * min(width, height):
        return
    video = Video(width, height, frames, rate)
    samples = video.samples(768)
    for taken in {samples, max(2, samples - 1)}:
        rows, columns = smart_resize(taken, height, width, 2, 32, smallest, largest)
        pairs = (taken + 1) // 2
        cells = pairs * (rows // 32) * (columns // 32)
        marks = pairs * len(f"<{int(frames / rate)}.5 seconds>..")
        assert video.tokens(768, largest) >= cells + marks
