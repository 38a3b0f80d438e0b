"""Two renderers that share no drawing code show the same shapes in the same places."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import serving
from serving.tiny_model.exam_pictures import FORMATS, SIZES, encode, render
from serving.tiny_model.pictures import draw
from serving.tiny_model.scenes import Scene, random_scene

SOURCES = Path(serving.__file__).parent / "tiny_model"
PACKAGE = "serving.tiny_model"


def seeded(seed: int) -> random.Random:
    """Return a source of the same choices for the same seed."""
    return random.Random(seed)


def shape_mask(scene: Scene, picture: Image.Image) -> np.ndarray:
    """Return where a picture is nearer to the shade than to its ground."""
    pixels = np.asarray(picture, dtype=float)
    grounds = [np.linalg.norm(pixels - np.array(ground), axis=2) for ground in scene.background]
    return np.linalg.norm(pixels - np.array(scene.shade), axis=2) < np.minimum(*grounds)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([(448, 448), (640, 448), (448, 700)]))
def test_both_renderers_show_the_shapes_in_the_same_places(
    seed: int, size: tuple[int, int]
) -> None:
    """The areas they paint agree by more than nine tenths, wear included."""
    scene = random_scene(seeded(seed), size[0] / size[1])
    first = shape_mask(scene, draw(scene, *size, seeded(seed)))
    second = shape_mask(scene, render(scene, *size))
    assert (first & second).sum() / (first | second).sum() > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_the_renderers_draw_by_different_programs(seed: int) -> None:
    """Their pictures of one scene are never the same, edges least of all."""
    scene = random_scene(seeded(seed), 1.0)
    assert draw(scene, 128, 128, seeded(seed)).tobytes() != render(scene, 128, 128).tobytes()


@pytest.mark.parametrize("size", [(48, 48), (160, 160), (97, 61), (500, 480)])
def test_a_drawn_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    """Whatever the wear, width and height are those of the lesson."""
    for seed in range(12):
        scene = random_scene(seeded(seed), size[0] / size[1])
        picture = draw(scene, *size, seeded(seed))
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
    assert {"lessons", "pictures", "scenes", "curriculum"} <= reached
    assert not {name for name in reached if name.startswith(("exam", "score"))}


def test_the_examiner_draws_with_code_of_its_own() -> None:
    """The exam reaches no drawing code of the trainer."""
    reached = imported("score")
    assert {"exam", "exam_pictures", "scenes"} <= reached
    assert not {"pictures", "lessons", "training"} & reached
