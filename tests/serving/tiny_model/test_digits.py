"""Digits look like themselves, and numbers lie whole inside their picture."""

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from serving.tiny_model.digits import STROKES, Note, Point, random_note, random_page
from serving.tiny_model.exam_pictures import render

ASPECTS = st.floats(0.3, 6)
SEEDS = st.integers(0, 2**32)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# The grounds that a digit's strokes close in, as people write it.
HOLES = (1, 0, 0, 0, 1, 0, 1, 0, 2, 1)


def seeded(seed: int) -> random.Random:
    """Return a source of the same choices for the same seed."""
    return random.Random(seed)


def written(digits: str, *, weight: float = 0.14, slant: float = 0.0) -> Note:
    """Return a note in black on white with its first digit in the middle of a square."""
    return Note(
        digits=digits, left=0.276, top=0.1, height=0.8, weight=weight, slant=slant,
        shade=BLACK, background=(WHITE, WHITE), aspect=1.0,
    )  # fmt: skip


def ink(note: Note, size: int = 64) -> NDArray[np.bool_]:
    """Return where a black note covers its white picture."""
    return np.asarray(render(note, size, size).convert("L")) < 128


def holes(picture: Image.Image) -> int:
    """Count the white grounds that are not joined to the corner, by filling one after another.

    Where two strokes part, a few pixels may be closed in.
    """
    ImageDraw.floodfill(picture, (0, 0), 128)
    areas = []
    while len(white := np.argwhere(np.asarray(picture) > 200)):
        row, column = white[0]
        ImageDraw.floodfill(picture, (int(column), int(row)), 128, thresh=60)
        areas.append(len(white) - (np.asarray(picture) > 200).sum())
    return sum(area > 12 for area in areas)


def along(line: tuple[Point, Point]) -> list[Point]:
    """Return points of a straight piece, its ends among them."""
    (x1, y1), (x2, y2) = line
    return [(x1 + (x2 - x1) * n / 8, y1 + (y2 - y1) * n / 8) for n in range(9)]


@pytest.mark.parametrize("weight", [0.1, 0.17])
def test_no_two_digits_look_alike(weight: float) -> None:
    """Of what two of them cover together, at least a tenth belongs to one of them alone."""
    drawn = [ink(written(digit, weight=weight)) for digit in "0123456789"]
    for first, second in itertools.combinations(drawn, 2):
        assert (first & second).sum() / (first | second).sum() < 0.9


@pytest.mark.parametrize("weight", [0.1, 0.17])
def test_digits_enclose_as_many_grounds_as_in_writing(weight: float) -> None:
    """An 8 has two holes, 0, 6 and 9 have one, and what is open is drawn open."""
    pictures = [render(written(d, weight=weight), 96, 96).convert("L") for d in "0123456789"]
    parted = [p.point(lambda value: 255 if value > 127 else 0) for p in pictures]
    assert tuple(map(holes, parted)) == HOLES


def test_a_digits_strokes_fill_its_box() -> None:
    """They reach from its top to its bottom and nowhere out of it."""
    for strokes in STROKES:
        xs, ys = zip(*itertools.chain(*strokes), strict=True)
        assert min(xs) >= -1e-9
        assert max(xs) <= 0.56 + 1e-9
        assert (min(ys), max(ys)) == pytest.approx((0, 1), abs=0.01)
    assert len(STROKES) == 10


@given(seed=SEEDS, aspect=ASPECTS)
def test_strokes_lie_in_their_digits_boxes(seed: int, aspect: float) -> None:
    """Each digit has a box of its own, left to right, which its strokes leave by its slant only."""
    note = random_note(seeded(seed), aspect)
    boxes = note.boxes()
    assert len(boxes) == len(note.lines()) == len(note.digits)
    assert boxes == sorted(boxes)
    for (left, top, wide, high), lines in zip(boxes, note.lines(), strict=True):
        lean = abs(note.slant) / 2 * high
        for x, y in itertools.chain(*lines):
            assert left - lean - 1e-9 <= x <= left + wide + lean + 1e-9
            assert top - 1e-9 <= y <= top + high + 1e-9


def test_a_slanted_digit_leans_to_the_right_at_its_top() -> None:
    """Its middle stays, its top moves right and its bottom left, by half the slant each."""
    (upright,), (slanted,) = (written("1", slant=slant).lines() for slant in (0.0, 0.2))
    for (x, y), (moved, level) in zip(
        itertools.chain(*upright), itertools.chain(*slanted), strict=True
    ):
        assert moved - x == pytest.approx(0.2 * (0.5 - (y - 0.1) / 0.8) * 0.8)
        assert level == y


@given(seed=SEEDS, aspect=ASPECTS)
def test_digits_of_a_number_do_not_touch(seed: int, aspect: float) -> None:
    """Between the strokes of two neighbours lies more than their thickness."""
    note = random_note(seeded(seed), aspect)
    points = [[p for line in lines for p in along(line)] for lines in note.lines()]
    for first, second in itertools.pairwise(points):
        nearest = min(math.dist(a, b) for a in first for b in second)
        assert nearest > note.weight * note.height


@given(seed=SEEDS, aspect=ASPECTS)
def test_a_number_is_never_cut_off(seed: int, aspect: float) -> None:
    """Strokes lie whole inside the picture."""
    note = random_note(seeded(seed), aspect)
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    thick = note.weight * note.height / 2
    for x, y in itertools.chain(*itertools.chain(*note.lines())):
        assert thick <= x <= width - thick
        assert thick <= y <= height - thick


@given(seed=SEEDS, aspect=ASPECTS)
def test_a_number_can_be_seen(seed: int, aspect: float) -> None:
    """Its digits are large, its strokes thick enough, and its shade stands out from the ground."""
    note = random_note(seeded(seed), aspect)
    assert 0.24 <= note.height <= 0.7
    assert aspect < 2 or note.height >= 0.45
    assert 0.1 <= note.weight <= 0.17
    assert all(math.dist(ground, note.shade) >= 110 for ground in note.background)
    assert note.aspect == aspect


def test_numbers_have_one_to_four_digits_of_every_kind() -> None:
    """Each length, and each digit at each place, are drawn about as often as others."""
    notes = [random_note(seeded(seed), 1.0) for seed in range(2000)]
    lengths = [len(note.digits) for note in notes]
    assert all(400 < lengths.count(length) < 600 for length in (1, 2, 3, 4))
    for place in range(4):
        there = [note.digits[place] for note in notes if len(note.digits) > place]
        assert all(0.05 < there.count(digit) / len(there) < 0.16 for digit in "0123456789")


@given(seed=SEEDS)
def test_a_number_depends_on_its_digits_alone(seed: int) -> None:
    """A digit is drawn the same wherever it stands in a number."""
    note = random_note(seeded(seed), 1.0)
    for place, (digit, (left, *_)) in enumerate(zip(note.digits, note.boxes(), strict=True)):
        alone = replace(note, digits=digit, left=left).lines()[0]
        assert np.allclose(alone, note.lines()[place])


@given(seed=SEEDS, aspect=st.floats(0.45, 2.2))
def test_a_page_is_full_of_digits_that_can_be_told_apart(seed: int, aspect: float) -> None:
    """Its lines lie inside and apart from each other, and leave no room for another."""
    page = random_page(seeded(seed), aspect)
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    boxes = [box for line in page.layers for box in line.boxes()]
    assert all(
        min(x, y) > 0 and x + wide < width and y + high < height for x, y, wide, high in boxes
    )
    for above, below in itertools.pairwise(page.layers):
        assert below.top > above.top + above.height
    last = page.layers[-1]
    assert height - last.top - last.height < 0.42 * 1.7
    assert all(
        left + 2 * wide > width - 0.5
        for left, _, wide, _ in (line.boxes()[-1] for line in page.layers)
    )
    assert len({line.background for line in page.layers}) == 1
