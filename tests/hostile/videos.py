"""Video files that want harm."""

import functools
import io
import random
import struct
from collections.abc import Callable

import av

from tests.hostile.pictures import ANY, LARGE, PARSE, SMALL, UNSUPPORTED, File, drawn

KINDS = (("mp4", "mpeg4"), ("mov", "mpeg4"), ("webm", "libvpx"), ("mpeg", "mpeg1video"))
DURATION = b"\x44\x89\x88"  # Matroska's, of eight bytes


@functools.cache
def filmed(
    form: str = "mp4",
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 48),
    frames: int = 8,
    rate: int = 4,
) -> bytes:
    """Return a sound video of one colour."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25 if form == "mpeg" else rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame(*size, "yuv420p")))
        container.mux(stream.encode())
    return buffer.getvalue()


@functools.cache
def sound() -> bytes:
    """Return a file with sound alone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def lasting(seconds: float, size: tuple[int, int] = (1280, 720)) -> bytes:
    """Return a WEBM of a few frames that states this length."""
    data = bytearray(filmed("webm", "libvpx", size))
    at = data.index(DURATION) + len(DURATION)
    data[at : at + 8] = struct.pack(">d", seconds * 1000)
    return bytes(data)


def cut_off(rng: random.Random) -> File:
    """Lose the end; some players show the rest."""
    data = filmed(*rng.choice(KINDS))
    return File(data[: rng.randrange(12, len(data))], ANY, may_pass=True)


def flipped(rng: random.Random) -> File:
    """Change some bytes behind the signature."""
    data = bytearray(filmed(*rng.choice(KINDS)))
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(32, len(data))] = rng.randrange(256)
    return File(bytes(data), ANY, may_pass=True)


def wide(rng: random.Random) -> File:
    """Have a side over the limit."""
    size = rng.choice(((4112, 32), (32, 4112)))
    return File(filmed(*KINDS[0], size), (LARGE, SMALL))


def endless(rng: random.Random) -> File:
    """State a length whose frames take gigabytes, or whose count takes days."""
    if rng.random() < 0.5:
        return File(lasting(rng.randint(500, 9000), (1920, 1080)), (LARGE,))
    return File(lasting(rng.randint(100_000, 10**9), (64, 48)), (LARGE,))


def timeless(rng: random.Random) -> File:
    """State a length that is none."""
    seconds = rng.choice((-1.0, 0.0, float("nan"), float("inf"), -1e300, 1e300))
    return File(lasting(seconds, (64, 48)), ANY, may_pass=True)


def one_frame(rng: random.Random) -> File:
    """Be a picture in a video's clothes."""
    return File(filmed(*rng.choice(KINDS[:3]), frames=1), (SMALL,))


def soundless(rng: random.Random) -> File:
    """Have nothing to see."""
    return File(sound() + bytes(rng.randint(0, 8)), (PARSE,))


def playlist(rng: random.Random) -> File:
    """Send the demuxer elsewhere."""
    place = rng.choice(("http://127.0.0.1:9/x", "file:///etc/passwd", "concat:/etc/passwd"))
    text = rng.choice(
        (
            f"#EXTM3U\n#EXTINF:1,\n{place}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{place}'\n",
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\nu={place}\n",
            f"<?xml version='1.0'?><MPD><BaseURL>{place}</BaseURL></MPD>",
        )
    )
    return File(text.encode(), (PARSE, UNSUPPORTED))


def noise(rng: random.Random) -> File:
    """Be random behind a true signature."""
    heads = (
        b"\0\0\0\x1cftypisom\0\0\2\0",
        b"\0\0\0\x14ftypqt  \0\0\2\0",
        b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\x82\x84webm",
        b"\0\0\1\xba\x21\0\1\0",
        b"",
    )
    codes = (PARSE, UNSUPPORTED, LARGE, SMALL)
    return File(rng.choice(heads) + rng.randbytes(rng.randint(20, 3000)), codes)


def two_in_one(rng: random.Random) -> File:
    """Begin as MPEG, and be an MP4 to those who look further."""
    mpeg, inner = filmed(*KINDS[3]), filmed(*KINDS[0], rng.choice(((640, 480), (1280, 720))))
    pack, at = mpeg[:12], 0x1BA  # an MP4's reader takes the signature for the length of a box
    gap = at - len(pack) - 6
    padding = b"\0\0\1\xbe" + struct.pack(">H", gap) + b"\xff" * gap
    data = bytearray(pack + padding + inner + mpeg[12:])
    table = data.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", data, table)
    for entry in range(table + 4, table + 4 + 4 * count, 4):
        struct.pack_into(">I", data, entry, struct.unpack_from(">I", data, entry)[0] + at)
    return File(bytes(data), (PARSE,))


def no_video(rng: random.Random) -> File:
    """Be a picture, or a format that is not served."""
    data = rng.choice((drawn("PNG"), drawn("GIF"), b"OggS\0\2" + bytes(50), b"FLV\1" + bytes(50)))
    return File(data, (UNSUPPORTED,))


VIDEOS: tuple[Callable[[random.Random], File], ...] = (
    cut_off,
    flipped,
    wide,
    endless,
    timeless,
    one_frame,
    soundless,
    playlist,
    noise,
    two_in_one,
    no_video,
)
