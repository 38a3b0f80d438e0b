"""Scenes keep their shapes inside the picture, apart, and visible, whatever the seed."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.tiny_model.scenes import COLOURS, KINDS, Scene, Shape, corners, random_scene

Point = tuple[float, float]
ASPECTS = st.floats(0.45, 2.2)
SEEDS = st.integers(0, 2**32)


def seeded(seed: int) -> random.Random:
    """Return a source of the same choices for the same seed."""
    return random.Random(seed)


def outline(scene: Scene, shape: Shape) -> list[Point]:
    """Return points of a shape's border, a circle's as a fine polygon."""
    if scene.kind != "circle":
        return corners(scene.kind, shape)
    angles = [math.tau * step / 64 for step in range(64)]
    return [
        (shape.x + shape.radius * math.cos(a), shape.y + shape.radius * math.sin(a)) for a in angles
    ]


def overlap(first: list[Point], second: list[Point]) -> bool:
    """Tell whether two convex polygons share a point: no edge of either parts them."""
    for polygon in (first, second):
        for (x1, y1), (x2, y2) in itertools.pairwise([*polygon, polygon[0]]):
            sides = [
                [(y2 - y1) * (x - x1) - (x2 - x1) * (y - y1) for x, y in points]
                for points in (first, second)
            ]
            if max(sides[0]) < min(sides[1]) or max(sides[1]) < min(sides[0]):
                return False
    return True


@given(seed=SEEDS, aspect=ASPECTS)
def test_every_shape_lies_inside_the_picture(seed: int, aspect: float) -> None:
    """No border crosses the frame: a cut-off shape would be another kind."""
    scene = random_scene(seeded(seed), aspect)
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    for shape in scene.shapes:
        assert all(0 < x < width and 0 < y < height for x, y in outline(scene, shape))


@given(seed=SEEDS, aspect=ASPECTS)
def test_shapes_lie_apart(seed: int, aspect: float) -> None:
    """They never touch, so that a count has one answer."""
    scene = random_scene(seeded(seed), aspect)
    bodies = [outline(scene, shape) for shape in scene.shapes]
    assert not any(overlap(*pair) for pair in itertools.combinations(bodies, 2))


@given(seed=SEEDS)
def test_a_scene_can_be_told_from_its_background(seed: int) -> None:
    """The shade is nearest to the colour it is called by, and far from both ends of the ground."""
    scene = random_scene(seeded(seed), 1.0)
    nearest = min(COLOURS, key=lambda name: math.dist(COLOURS[name], scene.shade))
    assert nearest == scene.colour
    assert all(math.dist(ground, scene.shade) >= 110 for ground in scene.background)


@given(seed=SEEDS, count=st.integers(1, 3))
def test_a_count_that_is_asked_for_is_kept(seed: int, count: int) -> None:
    """A scene of N has N shapes, of a known kind."""
    scene = random_scene(seeded(seed), 1.0, count)
    assert (scene.count, len(scene.shapes)) == (count, count)
    assert scene.kind in KINDS


def test_corners_have_the_promised_measures() -> None:
    """A square's side is 1.77 radii; a triangle's corners lie 1.15 radii from its centre."""
    shape = Shape(x=0.4, y=0.6, radius=0.2, turn=7.0)
    square, triangle = corners("square", shape), corners("triangle", shape)
    sides = [math.dist(a, b) for a, b in itertools.pairwise([*square, square[0]])]
    assert sides == pytest.approx([1.77 * 0.2] * 4)
    assert [math.dist(c, (0.4, 0.6)) for c in triangle] == pytest.approx([1.15 * 0.2] * 3)
