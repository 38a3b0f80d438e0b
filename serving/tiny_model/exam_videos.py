"""The examiner's videos: pictures that are shown for a second each, packed as files."""

import io
import random
from collections.abc import Sequence
from typing import cast

import av
import numpy as np
from PIL import Image

VIDEO_FORMATS = ("MP4", "WEBM")
VIDEO_SIZES = ((64, 64), (96, 64), (160, 120), (224, 224), (320, 240), (480, 320))
CODECS = {"MP4": "libx264", "WEBM": "libvpx"}
# Frames a second. The engine reads two a second (vLLM's Qwen3VLVideoBackend), and puts each two
# together: with these rates both always lie within one second of the video.
RATES = (2, 12)


def film(pictures: Sequence[Image.Image], name: str, rng: random.Random) -> bytes:
    """Return a video file of two seconds or more; the same arguments give the same bytes."""
    rate = rng.choice(RATES)
    packed = io.BytesIO()
    # Without an identity of its own, which WEBM draws at random.
    plain = {"fflags": "+bitexact"}
    with av.open(packed, "w", format=name.lower(), options=plain) as file:
        stream = cast("av.VideoStream", file.add_stream(CODECS[name], rate=rate))
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        stream.thread_count = 1
        for picture in pictures:
            pixels = np.asarray(picture)
            for _ in range(rate):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    return packed.getvalue()
