"""The way to the engine: large bodies reach it, and signals end it."""

import base64
import io
import random

from PIL import Image

from serving.gateway.server import Stop
from tests.fake_engine import UNARY, whole


def test_a_large_body_reaches_the_engine_whole(engine, gateway):
    """Several megabytes, sent in pieces."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue() + random.Random(1).randbytes(5_000_000)).decode()
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}]
    engine.play(whole(UNARY))
    assert gateway.chat(messages=[{"role": "user", "content": parts}]).status == 200
    assert engine.last().json["messages"][0]["content"] == parts


def test_the_exit_code_is_the_second_signals():
    """One signal is a wish, two are an order."""
    stop = Stop()
    stop.request(15)
    assert (stop.wished.is_set(), stop.hurried.is_set(), stop.exit_code) == (True, False, 0)
    stop.request(2)
    assert (stop.hurried.is_set(), stop.exit_code) == (True, 130)
