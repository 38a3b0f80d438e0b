"""The container from a video's first bytes, as FFmpeg wrote them."""

import pytest

from serving.gateway.picture import picture_format
from serving.gateway.video import VIDEO_TYPES, video_format

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
