"""Videos opened: their size, length and frames as the engine will see them."""

import io
import random
from fractions import Fraction

import av
import pytest

from serving.gateway.inspection.finding import Limits, Refused
from serving.gateway.inspection.streams import look
from serving.gateway.video import video_format
from tests.hostile.videos import DURATION, KINDS, filmed, lasting, sound, two_in_one

LIMITS = Limits(max_frames=1, max_side=512)


def refusal(data: bytes, form: str) -> str:
    """Return the sentence that a file is refused with."""
    with pytest.raises(Refused) as refused:
        look(data, form, LIMITS)
    assert refused.value.code == "{}_parse_error"
    return refused.value.what


@pytest.mark.parametrize("frames", [2, 10, 75])
@pytest.mark.parametrize("rate", [4, 25, 30])
@pytest.mark.parametrize(("form", "codec"), KINDS)
def test_frames_and_rate_are_those_that_the_engine_counts(form, codec, frames, rate):
    """OpenCV, through which vLLM reads videos, gives the same numbers."""
    cv2 = pytest.importorskip("cv2", reason="the engine is not installed; enable: make test")
    data = filmed(form, codec, (64, 48), frames, rate)
    backend = cv2.videoio_registry.getStreamBufferedBackends()[0]
    capture = cv2.VideoCapture(io.BytesIO(data), backend, [])
    assert look(data, video_format(data) or "", LIMITS) == {
        "width": capture.get(cv2.CAP_PROP_FRAME_WIDTH),
        "height": capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
        "frames": int(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
        "rate": pytest.approx(capture.get(cv2.CAP_PROP_FPS)),
    }


@pytest.mark.parametrize("form", ["mp4", "mov"])
def test_a_rate_that_changes_is_taken_as_the_engine_takes_it(form):
    """Phones film so; the finest step between two frames says nothing of their number a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream("mpeg4", rate=90)
        stream.width, stream.height = 64, 48
        for at in range(40):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = at * at // 3 + at, Fraction(1, 90)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = buffer.getvalue()
    found = look(data, form.upper(), LIMITS)
    assert found["frames"] / found["rate"] == pytest.approx(39 * 40 / 3 / 90, rel=0.1)
    cv2 = pytest.importorskip("cv2", reason="the engine is not installed; enable: make test")
    backend = cv2.videoio_registry.getStreamBufferedBackends()[0]
    capture = cv2.VideoCapture(io.BytesIO(data), backend, [])
    assert found["rate"] == pytest.approx(capture.get(cv2.CAP_PROP_FPS))


@pytest.mark.parametrize("seconds", [0.5, 100, 1e6])
def test_a_stated_length_is_believed(seconds):
    """The engine believes it too: it makes room for as many frames."""
    found = look(lasting(seconds, (64, 48)), "WEBM", LIMITS)
    assert found["frames"] / found["rate"] == pytest.approx(seconds, abs=0.3)


def test_a_video_that_does_not_say_its_length_is_refused():
    """Browsers record such ones; the engine finds no frame to take."""
    data = bytearray(filmed("webm", "libvpx"))
    at = data.index(DURATION)
    data[at : at + 11] = b"\xec\x89" + bytes(9)  # a void element in its place
    assert "does not say how many frames" in refusal(bytes(data), "WEBM")


def test_a_video_without_pictures_is_refused():
    """Sound alone."""
    assert "holds no moving picture" in refusal(sound(), "MOV")


def test_a_side_over_the_limit_is_told_and_not_decoded():
    """Even where no frame of it could be decoded."""
    data = filmed("mp4", "mpeg4", (528, 32))
    start = data.index(b"mdat") + 4
    spoilt = data[:start] + bytes(500) + data[start + 500 :]
    assert look(spoilt, "MP4", LIMITS)["width"] == 528


@pytest.mark.parametrize(("form", "codec"), KINDS)
def test_a_video_of_which_nothing_can_be_decoded_is_refused(form, codec):
    """Its first frame is decoded to see."""
    data = filmed(form, codec)
    with pytest.raises((Refused, av.FFmpegError)):
        look(data[:64], video_format(data) or "", LIMITS)


def test_a_frame_larger_than_its_container_says_is_what_counts():
    """The decoder makes room by the stream itself."""
    data = bytearray(filmed("mp4", "mpeg4", (256, 256)))
    at = data.index(b"mp4v", data.index(b"stsd")) + 28
    assert data[at : at + 4] == b"\1\0\1\0"
    data[at : at + 4] = b"\0\x40\0\x40"
    assert look(bytes(data), "MP4", LIMITS)["width"] == 256


def test_a_file_of_two_formats_is_refused():
    """The engine's decoder finds an MP4 in what begins as MPEG."""
    data = two_in_one(random.Random(1)).data
    assert video_format(data) == "MPEG"
    with av.open(io.BytesIO(data)) as container:
        assert "mp4" in container.format.name
        assert next(container.decode(video=0)).width > 64
    with pytest.raises(av.FFmpegError):
        look(data, "MPEG", LIMITS)


def test_a_fraction_of_a_frame_a_second_is_a_rate():
    """Time lapses have such ones."""
    found = look(filmed("mp4", "mpeg4", frames=4, rate=Fraction(1, 2)), "MP4", LIMITS)
    assert (found["frames"], found["rate"]) == (4, 0.5)


@pytest.mark.parametrize("form", ["mp4", "mov"])
@pytest.mark.parametrize("lost", [1, 100, 400])
def test_a_file_that_lost_its_end_is_cut_off(form, lost):
    """Also where its beginning could be played."""
    data = filmed(form)
    assert "is cut off before its end" in refusal(data[:-lost], form.upper())


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(bytes(5), id="a few zeros"),
        pytest.param(bytes(500), id="zeros"),
        pytest.param(b"\0\0\0\x0cfree1234", id="free space"),
        pytest.param(b"\0\0\0\1free\0\0\0\0\0\0\0\x14abcd", id="a long box"),
        pytest.param(b"\0\0\0\0freeabcdefgh", id="a box to the end"),
    ],
)
def test_a_sound_end_is_allowed(tail):
    """Every way a box states its size."""
    assert look(filmed() + tail, "MP4", LIMITS)["frames"] == 8


def test_a_file_of_too_many_boxes_is_refused():
    """Each costs time."""
    assert "damaged" in refusal(filmed() + b"\0\0\0\x08free" * 65_536, "MP4")
