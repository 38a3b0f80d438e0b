"""Two renderers that share no drawing code show the same shapes and digits in the same places."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import serving
from serving.tiny_model.digits import random_note
from serving.tiny_model.exam_pictures import FORMATS, SIZES, encode, render
from serving.tiny_model.pictures import draw
from serving.tiny_model.samples import Picture
from serving.tiny_model.scenes import Rgb, random_pair, random_scene

SOURCES = Path(serving.__file__).parent / "tiny_model"
PACKAGE = "serving.tiny_model"


def seeded(seed: int) -> random.Random:
    """Return a source of the same choices for the same seed."""
    return random.Random(seed)


Mask = NDArray[np.bool_]
SIZED = st.sampled_from([(448, 448), (640, 448), (448, 700)])
SEEDS = st.integers(0, 2**32)


def mask_of(shade: Rgb, others: tuple[Rgb, ...], picture: Image.Image) -> Mask:
    """Return where a picture is nearer to a shade than to any other that it shows."""
    pixels = np.asarray(picture, dtype=float)
    away = [np.linalg.norm(pixels - np.array(colour), axis=2) for colour in (shade, *others)]
    return np.asarray(away[0] < np.min(away[1:], axis=0))


def agreement(first: Mask, second: Mask) -> float:
    """Return which share of what is covered by one or the other is covered by both."""
    return float((first & second).sum() / (first | second).sum())


def widened(mask: Mask, pixels: int) -> Mask:
    """Return a mask that reaches so many pixels further to every side."""
    return (
        np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(2 * pixels + 1)))
        > 0
    )


@settings(max_examples=20)
@given(seed=SEEDS, size=SIZED)
def test_both_renderers_show_the_shapes_in_the_same_places(
    seed: int, size: tuple[int, int]
) -> None:
    """The areas they paint agree by more than nine tenths, wear included."""
    scene = random_scene(seeded(seed), size[0] / size[1])
    pictures = draw(scene, *size, seeded(seed)), render(scene, *size)
    first, second = (mask_of(scene.shade, scene.background, picture) for picture in pictures)
    assert agreement(first, second) > 0.9


@settings(max_examples=12)
@given(seed=SEEDS, size=SIZED)
def test_both_renderers_show_both_shapes_of_a_pair(seed: int, size: tuple[int, int]) -> None:
    """Each of the two has its own colour in the same place, and the left one lies left."""
    pair = random_pair(seeded(seed), size[0] / size[1])
    pictures = draw(pair, *size, seeded(seed)), render(pair, *size)
    for scene, other in (pair.layers, pair.layers[::-1]):
        others = (other.shade, *scene.background)
        first, second = (mask_of(scene.shade, others, picture) for picture in pictures)
        assert agreement(first, second) > 0.85
        middle = np.nonzero(second)[1].mean() / min(size)
        assert middle == pytest.approx(scene.shapes[0].x, abs=0.02)


@settings(max_examples=12)
@given(seed=SEEDS, size=st.sampled_from([(448, 448), (448, 700), (960, 240)]))
def test_both_renderers_write_the_same_digits(seed: int, size: tuple[int, int]) -> None:
    """Nothing that one of them writes lies further than two pixels from what the other does."""
    note = random_note(seeded(seed), size[0] / size[1])
    pictures = draw(note, *size, seeded(seed)), render(note, *size)
    first, second = (mask_of(note.shade, note.background, picture) for picture in pictures)
    assert (first & ~widened(second, 2)).sum() < 0.01 * first.sum()
    assert (second & ~widened(first, 2)).sum() < 0.01 * second.sum()
    assert agreement(first, second) > 0.75


@pytest.mark.parametrize("seed", range(8))
def test_the_renderers_draw_by_different_programs(seed: int) -> None:
    """Their pictures of one scene or number are never the same, edges least of all."""
    shown: tuple[Picture, ...] = random_scene(seeded(seed), 1.0), random_note(seeded(seed), 1.0)
    for picture in shown:
        drawn = draw(picture, 128, 128, seeded(seed))
        assert drawn.tobytes() != render(picture, 128, 128).tobytes()


@pytest.mark.parametrize("size", [(48, 48), (160, 160), (97, 61), (500, 480), (320, 64)])
def test_a_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    """Whatever is shown and whatever the wear, width and height are those of the lesson."""
    aspect = size[0] / size[1]
    for seed in range(12):
        for make in (random_scene, random_pair, random_note):
            shown = make(seeded(seed), aspect)
            for picture in (draw(shown, *size, seeded(seed)), render(shown, *size)):
                assert (picture.size, picture.mode) == (size, "RGB")


@pytest.mark.parametrize("name", FORMATS)
def test_an_exam_picture_is_what_its_format_says(name: str) -> None:
    """Encoded pictures open as their format, at their size, near to what was drawn."""
    import io  # noqa: PLC0415

    scene = random_scene(seeded(3), 1.0)
    drawn = render(scene, *SIZES[3])
    opened = Image.open(io.BytesIO(encode(drawn, name, seeded(3))))
    assert (opened.format, opened.size) == (name, SIZES[3])
    difference = np.abs(np.asarray(opened.convert("RGB"), float) - np.asarray(drawn, float))
    assert difference.mean() < (1 if name == "PNG" else 6)


def imported(module: str) -> set[str]:
    """Return the modules of the tiny model that one of them imports, itself and all theirs."""
    found = {module}
    for node in ast.walk(ast.parse((SOURCES / f"{module}.py").read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            short = name.removeprefix(f"{PACKAGE}.")
            if name != short and (SOURCES / f"{short}.py").exists():
                found |= imported(short)
    return found


def test_the_trainer_never_sees_the_examiners_pictures() -> None:
    """Training reaches neither the exam nor its renderer, by whatever way."""
    reached = imported("training")
    assert {"lessons", "pictures", "scenes", "digits", "curriculum", "second_set"} <= reached
    assert not {name for name in reached if name.startswith(("exam", "score"))}


def test_the_examiner_draws_with_code_of_its_own() -> None:
    """The exam reaches no drawing code of the trainer."""
    reached = imported("score")
    assert {"exam", "exam_pictures", "scenes"} <= reached
    assert not {"pictures", "lessons", "training"} & reached
