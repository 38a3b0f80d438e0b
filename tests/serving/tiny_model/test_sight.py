"""What each picture token should notice agrees with what is drawn there."""

from __future__ import annotations

import math
import random
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serving.tiny_model import curriculum
from serving.tiny_model.digits import Note, random_note, random_page
from serving.tiny_model.exam_pictures import render
from serving.tiny_model.scenes import COLOURS, KINDS, Pair, Scene, Shape, random_pair
from tests.later import Later

if TYPE_CHECKING:
    from serving.tiny_model.samples import Picture

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
torch = Later("torch")
lessons = Later("serving.tiny_model.lessons")

CELL = 32
CIRCLE = Scene(
    kind="circle",
    colour="red",
    shade=COLOURS["red"],
    background=((240, 240, 240), (240, 240, 240)),
    shapes=(Shape(x=0.62, y=0.45, radius=0.3, turn=0.0),),
    aspect=1.6,
)


def seeded(seed: int) -> random.Random:
    """Return a source of the same choices for the same seed."""
    return random.Random(seed)


def covered(picture: Picture, shade: tuple[int, int, int], width: int, height: int) -> Any:
    """Return which share of each cell of a drawn picture has a shade."""
    drawn = render(picture, width * CELL, height * CELL)
    away = np.linalg.norm(np.asarray(drawn, dtype=float) - np.array(shade), axis=2)
    cells = (away < 1).reshape(height, CELL, width, CELL)
    return torch.from_numpy(cells.mean(axis=(1, 3))).flatten()


def test_sight_of_a_circle_is_what_distance_says() -> None:
    """Cells within 0.55 radii are the circle, those around its edge open, others ground."""
    sight = lessons.look([(CIRCLE, (8, 5))])
    for token, (row, column) in enumerate((r, c) for r in range(5) for c in range(8)):
        away = math.sqrt(((column + 0.5) / 5 - 0.62) ** 2 + ((row + 0.5) / 5 - 0.45) ** 2)
        if away < 0.165:
            kind, colour = 1 + KINDS.index("circle"), list(COLOURS).index("red")
        else:
            kind, colour = (lessons.IGNORED if away < 0.375 + 0.14 else 0), lessons.IGNORED
        assert (sight.kind[token], sight.colour[token]) == (kind, colour), (row, column)
    assert sight.centre.nonzero().tolist() == [[2 * 8 + 3]]
    assert sight.centre[2 * 8 + 3] == 1.0
    assert not sight.digit.any()


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize(("kind", "share"), [("circle", 1.0), ("square", 1.0), ("triangle", 0.9)])
def test_sight_agrees_with_the_drawn_picture(kind: str, share: float, index: int) -> None:
    """Drawn by the other renderer, cells called a shape hold it and cells called ground do not.

    The cells called a triangle form a disc, which reaches a little over its sides.
    """
    samples = (curriculum.sample(f"sight-{kind}", "kind", n, 1.6) for n in range(index, 1000, 6))
    shown = (picture for sample in samples for picture in sample.pictures)
    scene = next(each for each in shown if isinstance(each, Scene) and each.kind == kind)
    cells = covered(scene, scene.shade, 16, 10)
    sight = lessons.look([(scene, (16, 10))])
    held = cells[sight.kind == 1 + KINDS.index(kind)] > 0.2
    assert held.double().mean() >= share
    assert (cells[sight.kind == 0] == 0).all()
    assert int(sight.centre.sum()) == len(scene.shapes)
    assert (cells[sight.centre == 1] > 0.2).all()


@pytest.mark.parametrize("seed", range(6))
def test_sight_of_a_pair_tells_both_shapes_apart(seed: int) -> None:
    """Cells named after either shape hold its shade, ground holds neither, and both centres count.

    Their ranks follow the reading order: the upper one is first, or the left one in one row.
    """
    pair = random_pair(seeded(seed), 1.6)
    sight = lessons.look([(pair, (16, 10))])
    for scene in pair.layers:
        cells = covered(pair, scene.shade, 16, 10)
        named = sight.kind == 1 + KINDS.index(scene.kind)
        assert (cells[named] > 0.2).double().mean() >= 0.8
        assert (sight.colour[named] == list(COLOURS).index(scene.colour)).all()
        assert (cells[sight.kind == 0] == 0).all()
    centres = sight.centre.nonzero()[:, 0]
    in_order = sorted(
        (int(shape.y * 10) * 16 + int(shape.x * 10), scene.kind)
        for scene in pair.layers
        for shape in scene.shapes
    )
    assert centres.tolist() == [cell for cell, _ in in_order]
    assert [KINDS[kind - 1] for kind in sight.kind[centres]] == [kind for _, kind in in_order]
    assert (sight.rank[centres].tolist(), sight.total[centres].tolist()) == ([0, 1], [1, 1])


@pytest.mark.parametrize("seed", range(10))
def test_sight_of_a_number_names_its_digits_where_they_stand(seed: int) -> None:
    """Read from left to right, the named cells spell it; what is called ground holds little ink."""
    note = random_note(seeded(seed), 1.0)
    width = height = 16
    sight = lessons.look([(note, (width, height))])
    columns = sight.digit.view(height, width)
    read = [set(column[column > 0].tolist()) for column in columns.T]
    assert all(len(names) <= 1 for names in read)
    spelled = [(n, names.pop() - 1) for n, names in enumerate(read) if names]
    for digit, (left, top, wide, high) in zip(note.digits, note.boxes(), strict=True):
        inside = [name for n, name in spelled if left <= n / width <= left + wide]
        assert set(inside) == {int(digit)}
        rows = (columns > 0).nonzero()[:, 0] / height
        assert top - 0.5 / height <= rows.min() <= rows.max() <= top + high
    cells = covered(note, note.shade, width, height)
    assert (cells[sight.digit == 0] < 0.3).all()
    assert cells[sight.digit != 0].sum() > 0.75 * cells.sum()


@pytest.mark.parametrize("seed", range(10))
def test_digits_are_ranked_as_they_are_read(seed: int) -> None:
    """Each has its centre, its place in the number and the number's length; none is a shape."""
    note = random_note(seeded(seed), 1.0)
    sight = lessons.look([(note, (7, 7))])
    assert not sight.kind.any()
    assert (sight.colour == lessons.IGNORED).all()
    centres = sight.centre.nonzero()[:, 0]
    assert "".join(str(int(digit) - 1) for digit in sight.digit[centres]) == note.digits
    assert sight.rank[centres].tolist() == list(range(len(note.digits)))
    assert set(sight.total[centres].tolist()) == {len(note.digits) - 1}
    assert (sight.rank[sight.centre == 0] == lessons.IGNORED).all()


def test_pictures_of_a_batch_are_seen_one_after_another() -> None:
    """Sight of several pictures, of sizes of their own, is that of each of them in their order."""
    shown: list[tuple[Scene | Pair | Note, tuple[int, int]]] = [
        (CIRCLE, (8, 5)),
        (random_note(seeded(2), 1.0), (6, 6)),
        (random_pair(seeded(3), 2.0), (10, 5)),
    ]
    together = lessons.look(shown)
    alone = [lessons.look([each]) for each in shown]
    for name in ("kind", "colour", "centre", "rank", "total", "digit"):
        parts = [getattr(sight, name) for sight in alone]
        assert [len(part) for part in parts] == [40, 36, 50]
        assert torch.equal(getattr(together, name), torch.cat(parts))


@pytest.mark.parametrize("seed", range(6))
def test_sight_of_a_page_names_every_digit_in_its_middle(seed: int) -> None:
    """At the middle of each digit stands its name, whatever stands around it."""
    page = random_page(seeded(seed), 1.6)
    columns = lessons.look([(page, (16, 10))]).digit.view(10, 16)
    for line in page.layers:
        for digit, (left, top, wide, high) in zip(line.digits, line.boxes(), strict=True):
            cell = columns[int((top + high / 2) * 10), int((left + wide / 2) * 10)]
            assert cell == 1 + int(digit)
