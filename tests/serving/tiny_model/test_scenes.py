"""Scenes keep their shapes inside the picture, apart, visible, and where their names say."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.tiny_model.scenes import (
    COLOURS,
    KINDS,
    SIDES,
    Scene,
    Shape,
    coloured_alike,
    corners,
    placed_scene,
    random_pair,
    random_scene,
    side_of,
)

Point = tuple[float, float]
ASPECTS = st.floats(0.3, 6)
SEEDS = st.integers(0, 2**32)
SHARES = st.floats(-0.5, 0.5)
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", None: None}
TURNED = {"left": "top", "top": "left", "right": "bottom", "bottom": "right", None: None}


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


def size_of(aspect: float) -> Point:
    """Return a picture's width and height in its shorter sides."""
    return max(aspect, 1.0), max(1 / aspect, 1.0)


def pictured(kind: str, seed: int, aspect: float) -> list[Scene]:
    """Return the scenes of a picture that one of the generators draws."""
    rng = seeded(seed)
    match kind:
        case "random":
            return [random_scene(rng, aspect)]
        case "pair":
            return list(random_pair(rng, aspect).layers)
        case "placed":
            return [placed_scene(rng, aspect)[0]]
        case _:
            return coloured_alike(rng, aspect, 2 + seed % 2)


GENERATORS = st.sampled_from(["random", "pair", "placed", "alike"])


@given(kind=GENERATORS, seed=SEEDS, aspect=ASPECTS)
def test_every_shape_lies_inside_the_picture(kind: str, seed: int, aspect: float) -> None:
    """No border crosses the frame: a cut-off shape would be another kind."""
    width, height = size_of(aspect)
    for scene in pictured(kind, seed, aspect):
        assert scene.aspect == aspect
        for shape in scene.shapes:
            assert all(0 < x < width and 0 < y < height for x, y in outline(scene, shape))


@given(kind=st.sampled_from(["random", "pair"]), seed=SEEDS, aspect=ASPECTS)
def test_shapes_lie_apart(kind: str, seed: int, aspect: float) -> None:
    """They never touch, so that a count has one answer and neither of two hides the other."""
    scenes = pictured(kind, seed, aspect)
    bodies = [outline(scene, shape) for scene in scenes for shape in scene.shapes]
    assert not any(overlap(*pair) for pair in itertools.combinations(bodies, 2))


@given(kind=GENERATORS, seed=SEEDS)
def test_a_scene_can_be_told_from_its_background(kind: str, seed: int) -> None:
    """The shade is nearest to the colour it is called by, and far from both ends of the ground."""
    for scene in pictured(kind, seed, 1.0):
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


@given(right=SHARES, down=SHARES)
def test_sides_are_named_alike_in_every_direction(right: float, down: float) -> None:
    """A mirrored place has the mirrored name; width and height count the same."""
    side = side_of(right, down)
    assert side_of(-right, -down) == OPPOSITE[side]
    assert side_of(-right, down) == (OPPOSITE[side] if side in ("left", "right") else side)
    assert side_of(down, right) == TURNED[side]


@given(seed=SEEDS, aspect=ASPECTS)
def test_a_placed_shape_lies_where_it_is_said_to(seed: int, aspect: float) -> None:
    """Seen from the picture's middle, its centre is far to its side and no half as far to another.

    Measured in halves of the picture.
    """
    scene, side = placed_scene(seeded(seed), aspect)
    (shape,) = scene.shapes
    width, height = size_of(aspect)
    right, down = 2 * shape.x / width - 1, 2 * shape.y / height - 1
    directions = {"right": (1, 0), "left": (-1, 0), "bottom": (0, 1), "top": (0, -1)}
    towards = {name: right * x + down * y for name, (x, y) in directions.items()}
    assert max(towards, key=lambda name: towards[name]) == side
    assert towards.pop(side) > 0.339
    assert (
        math.degrees(math.atan2(min(map(abs, (right, down))), max(map(abs, (right, down))))) < 26.6
    )


@pytest.mark.parametrize("aspect", [0.4, 1.0, 4.0])
def test_every_side_is_drawn_about_as_often(aspect: float) -> None:
    """No side can be guessed, however wide or high the picture."""
    sides = [placed_scene(seeded(seed), aspect)[1] for seed in range(400)]
    assert all(60 < sides.count(side) < 140 for side in SIDES)
    assert len(SIDES) == 4


def test_a_place_near_the_middle_or_in_a_corner_has_no_side() -> None:
    """Where people would not agree, nothing is named."""
    assert side_of(0.0, 0.0) is None
    assert side_of(0.16, 0.0) is None
    assert side_of(-0.3, 0.3) is None
    assert side_of(0.3, -0.2) is None
    assert side_of(0.3, -0.1) == "right"
    assert side_of(0.1, -0.3) == "top"


@given(seed=SEEDS, aspect=ASPECTS)
def test_two_shapes_beside_each_other_can_be_told_apart(seed: int, aspect: float) -> None:
    """Left is left by a quarter of the width; kinds and colours differ; the ground is one."""
    pair = random_pair(seeded(seed), aspect)
    (left,), (right,) = pair.left.shapes, pair.right.shapes
    assert right.x - left.x >= 0.25 * size_of(aspect)[0]
    assert pair.left.kind != pair.right.kind
    assert pair.left.colour != pair.right.colour
    assert pair.left.background == pair.right.background
    assert (pair.layers, pair.aspect) == ((pair.left, pair.right), aspect)


@given(seed=SEEDS, aspect=ASPECTS, count=st.integers(2, 3))
def test_scenes_coloured_alike_differ_in_colour_alone(seed: int, aspect: float, count: int) -> None:
    """One shape stays at its place before one ground, and no colour comes twice."""
    scenes = coloured_alike(seeded(seed), aspect, count)
    assert len({scene.colour for scene in scenes}) == len(scenes) == count
    assert len({(s.kind, s.shapes, s.background, s.aspect) for s in scenes}) == 1
    assert scenes[0].count == 1
