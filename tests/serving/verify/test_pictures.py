"""The shipped pictures are what the script draws, small, and of every format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.tiny_model import acceptance_pictures
from serving.tiny_model.acceptance_pictures import FOLDER, ORDERS, Order

MAX_BYTES = 150_000
SAME = 2.0  # mean difference of a channel, of 255: what two encoders may make of one picture


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), dtype=np.int16)


@pytest.fixture(scope="module", autouse=True)
def _drawn_once() -> Iterator[None]:
    """Draw each picture once for all tests: it takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceptance_pictures, "picture_for", cache(acceptance_pictures.picture_for))
        yield


@pytest.mark.parametrize("order", ORDERS, ids=acceptance_pictures.name_of)
def test_a_shipped_picture_is_the_drawn_one(order: Order) -> None:
    """The same scene comes out, to the pixel where the format loses nothing."""
    shipped = (FOLDER / acceptance_pictures.name_of(order)).read_bytes()
    drawn = np.asarray(acceptance_pictures.picture_for(order), dtype=np.int16)
    difference = np.abs(pixels(shipped) - drawn)
    assert difference.mean() <= (0 if order.packed_as == "PNG" else SAME)
    assert Image.open(io.BytesIO(shipped)).format == order.packed_as


def test_the_pictures_are_twelve_and_small() -> None:
    """Every clone and every image carries them."""
    files = [path for path in FOLDER.iterdir() if path.name != "manifest.json"]
    assert len(files) == len(ORDERS) == 12
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    assert {order.packed_as for order in ORDERS} == {"PNG", "JPEG", "WEBP"}


def test_the_script_writes_what_is_shipped(tmp_path: Path) -> None:
    """Running it again changes no name, no question and no right answer."""
    acceptance_pictures.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()}
    assert (tmp_path / "manifest.json").read_text() == (FOLDER / "manifest.json").read_text()
