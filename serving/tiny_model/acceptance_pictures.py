"""Draws the pictures that `serving verify` asks about, with their questions and right answers.

`python -m serving.tiny_model.acceptance_pictures` writes them anew into serving/verify/pictures.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from serving.tiny_model.exam_pictures import encode, render
from serving.tiny_model.scenes import COLOURS, KINDS, MAX_COUNT, Scene, random_scene

FOLDER = Path(__file__).parents[1] / "verify" / "pictures"
NUMBERS = {1: "one", 2: "two", 3: "three"}
QUESTIONS = {
    "colour": "What colour is the shape?",
    "kind": "What shape is it?",
    "count": "How many shapes are there?",
    "describe": "What is in this picture?",
}
MAX_TURN = 4  # degrees: a square that is turned further is a diamond to some
MAX_TINT = 4  # between channels: a grey to everybody
GREYS = range(90, 200)


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to draw: the task it is asked about, what it shows, its size and format."""

    task: str
    count: int
    colour: str
    kind: str
    size: tuple[int, int]
    packed_as: str


ORDERS = (
    Order("colour", 1, "red", "circle", (64, 64), "PNG"),
    Order("colour", 1, "green", "square", (224, 224), "JPEG"),
    Order("colour", 1, "blue", "triangle", (320, 240), "WEBP"),
    Order("colour", 1, "yellow", "circle", (512, 512), "PNG"),
    Order("kind", 1, "blue", "circle", (128, 128), "PNG"),
    Order("kind", 1, "red", "square", (384, 384), "JPEG"),
    Order("kind", 1, "green", "triangle", (640, 480), "WEBP"),
    Order("count", 2, "red", "square", (480, 640), "JPEG"),
    Order("count", 3, "blue", "circle", (800, 600), "WEBP"),
    Order("count", 1, "yellow", "triangle", (224, 224), "PNG"),
    Order("describe", 3, "red", "circle", (1024, 768), "JPEG"),
    Order("describe", 2, "green", "triangle", (1280, 720), "WEBP"),
)


def scene_for(order: Order) -> Scene:
    """Return the first scene that shows what is ordered before a plain grey."""
    rng = _rng(order, "scene")
    while True:
        scene = random_scene(rng, order.size[0] / order.size[1], order.count)
        if (scene.colour, scene.kind) == (order.colour, order.kind) and _is_plain(scene):
            return scene


def picture_for(order: Order) -> Image.Image:
    """Draw an order; the same order always gives the same pixels."""
    return render(scene_for(order), *order.size)


def file_for(order: Order) -> bytes:
    """Draw an order and write it in its format."""
    return encode(picture_for(order), order.packed_as, _rng(order, "file"))


def entry_for(order: Order) -> dict[str, Any]:
    """Return an order's entry in the manifest."""
    colour = [order.colour]
    kind = [order.kind, f"{order.kind}s"]
    count = [str(order.count), NUMBERS[order.count]]
    accepted = {"colour": [colour], "kind": [kind], "count": [count]}
    return {
        "file": name_of(order),
        "question": QUESTIONS[order.task],
        "accepted": accepted.get(order.task, [count, colour, kind]),
        "rivals": _rivals(order),
    }


def name_of(order: Order) -> str:
    """Return the file's name, which tells the task and the size."""
    width, height = order.size
    return f"{order.task}-{width}x{height}.{order.packed_as.lower()}"


def _rivals(order: Order) -> list[str]:
    """Return the words of the task's wrong answers; a description may hold any."""
    if order.task == "colour":
        return [colour for colour in COLOURS if colour != order.colour]
    if order.task == "kind":
        return [kind for kind in KINDS if kind != order.kind]
    if order.task == "count":
        others = [n for n in range(MAX_COUNT + 2) if n != order.count]
        return [*map(str, others), *(NUMBERS[n] for n in others if n in NUMBERS)]
    return []


def _is_plain(scene: Scene) -> bool:
    first, second = scene.background
    grey = max(first) - min(first) <= MAX_TINT and min(first) in GREYS
    return first == second and grey and all(abs(s.turn) <= MAX_TURN for s in scene.shapes)


def _rng(order: Order, purpose: str) -> random.Random:
    return random.Random(f"acceptance/{name_of(order)}/{purpose}")  # noqa: S311 — repeatable


def write(folder: Path) -> None:
    """Write every picture and the manifest."""
    for order in ORDERS:
        (folder / name_of(order)).write_bytes(file_for(order))
    manifest = json.dumps([entry_for(order) for order in ORDERS], indent=1)
    (folder / "manifest.json").write_text(manifest + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
