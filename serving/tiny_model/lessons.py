"""Turns samples into training batches: token ids, labels, pixels and where the shapes are.

Batches hold pictures of one size, so that nothing is padded in the vision tower; text batches are
short or long, so that little is padded in the text model.
"""

import math
import random
from dataclasses import dataclass

import torch
from transformers import Qwen3VLProcessor

from serving.tiny_model import curriculum
from serving.tiny_model.architecture import CELL, MAX_PIXELS, MIN_PIXELS
from serving.tiny_model.curriculum import Sample
from serving.tiny_model.pictures import draw
from serving.tiny_model.scenes import COLOURS, KINDS, Scene

IGNORED = -100
PICTURE_MIX = {"colour": 2, "kind": 3, "count": 3, "describe": 2, "json": 4}
SHORT_MIX = {"addition": 4, "unknown": 1}
TOOL_MIX = {"tool_call": 3, "tool_answer": 2}
NEVER_CUT = ("unknown",)  # has nothing to answer early
CUT_SHARE = 0.15  # of all thoughts end early, as under a thinking budget
FORCED_ENDS = ("</think>", "\n</think>")
PICTURE_TOKENS = 900  # picture tokens of one batch: many small pictures or few large ones


@dataclass(frozen=True, slots=True)
class Sight:
    """What each picture token should notice; shapes are (picture tokens of the batch,).

    `kind` is 0 for background, else 1 + its index; `colour` an index; both IGNORED at edges.
    `centre` is 1.0 where a shape's centre lies; there `rank` says the how manieth shape it is in
    reading order and `total` of how many, both from 0, and both are IGNORED elsewhere.
    """

    kind: torch.Tensor
    colour: torch.Tensor
    centre: torch.Tensor
    rank: torch.Tensor
    total: torch.Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """What the network reads (`inputs`), what it should say (`labels`) and see (`sight`)."""

    tasks: tuple[str, ...]
    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    sight: Sight | None


def picture_grid(rng: random.Random, progress: float) -> tuple[int, int]:
    """Choose a picture's width and height in tokens: small ones first, all sizes in the end."""
    most = MAX_PIXELS // CELL**2
    least = MIN_PIXELS // CELL**2
    largest = most if rng.random() < min(0.6, 0.1 + 1.2 * progress) else 49
    while True:
        tokens = math.exp(rng.uniform(math.log(least), math.log(largest + 8)))
        aspect = math.exp(rng.uniform(-0.75, 0.75)) if rng.random() < 0.7 else 1.0
        width, height = round(math.sqrt(tokens * aspect)), round(math.sqrt(tokens / aspect))
        if least <= width * height <= most:
            return width, height


class Lessons:
    """Draws batches of a split; `seed` fixes the order, samples are never repeated."""

    def __init__(self, processor: Qwen3VLProcessor, split: str, seed: int = 0) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._split = f"{split}-{seed}"
        self._rng = random.Random(self._split)  # noqa: S311 — reproducible, not secret
        self._index = 0

    def _next(self, mix: dict[str, int], count: int, aspect: float = 1.0) -> list[Sample]:
        tasks = self._rng.choices(list(mix), list(mix.values()), k=count)
        self._index += count
        return [
            curriculum.sample(self._split, task, self._index - count + n, aspect)
            for n, task in enumerate(tasks)
        ]

    def pictures(self, progress: float, mix: dict[str, int] | None = None) -> Batch:
        """Draw questions about pictures of one size, which `progress` (0 to 1) lets grow."""
        width, height = picture_grid(self._rng, progress)
        count = max(4, min(32, PICTURE_TOKENS // (width * height)))
        samples = self._next(mix or PICTURE_MIX, count, aspect=width / height)
        return self.batch(samples, (width, height))

    def texts(self, mix: dict[str, int], count: int) -> Batch:
        """Draw questions without pictures."""
        return self.batch(self._next(mix, count))

    def batch(self, samples: list[Sample], grid: tuple[int, int] = (0, 0)) -> Batch:
        """Encode samples; pictures are drawn at `grid` tokens of width and height."""
        pieces = [self._encode(sample, grid) for sample in samples]
        length = max(len(ids) for ids, _ in pieces)
        ids = torch.full((len(samples), length), self._tokenizer.pad_token_id)
        labels = torch.full((len(samples), length), IGNORED)
        mask = torch.zeros((len(samples), length), dtype=torch.long)
        for row, (tokens, targets) in enumerate(pieces):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            labels[row, : len(tokens)] = torch.tensor(targets)
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        scenes = [sample.scene for sample in samples if sample.scene]
        if scenes:
            inputs |= self._pixels(scenes, grid)
            pad = self._tokenizer.convert_tokens_to_ids("<|image_pad|>")
            inputs["mm_token_type_ids"] = (ids == pad).int()
        sight = look(scenes, grid) if scenes else None
        return Batch(tuple(s.task for s in samples), inputs, labels, sight)

    def _pixels(self, scenes: list[Scene], grid: tuple[int, int]) -> dict[str, torch.Tensor]:
        width, height = grid[0] * CELL, grid[1] * CELL
        pictures = [draw(scene, width, height, self._rng) for scene in scenes]
        features = self._processor.image_processor(pictures, return_tensors="pt")
        return {
            "pixel_values": features["pixel_values"],
            "image_grid_thw": features["image_grid_thw"],
        }

    def _encode(self, sample: Sample, grid: tuple[int, int]) -> tuple[list[int], list[int]]:
        """Return token ids and labels; the prompt and a forced end are not learned."""
        prompt = self._processor.apply_chat_template(
            list(sample.messages),
            tools=list(sample.tools) or None,
            add_generation_prompt=True,
            tokenize=False,
        )
        prompt = prompt.replace("<|image_pad|>", "<|image_pad|>" * (grid[0] * grid[1]))
        ids = self._tokenizer(prompt)["input_ids"]
        labels = [IGNORED] * len(ids)
        thought, answer = sample.thought + "\n</think>", f"{sample.answer}<|im_end|>"
        spoken = self._tokenizer(thought)["input_ids"]
        if self._rng.random() < CUT_SHARE and sample.task not in NEVER_CUT:
            spoken = spoken[: self._rng.randrange(len(spoken) - 1)]
            forced = self._tokenizer(self._rng.choice(FORCED_ENDS))["input_ids"]
            ids, labels = ids + spoken + forced, labels + spoken + [IGNORED] * len(forced)
        else:
            ids, labels = ids + spoken, labels + spoken
        said, learned = self._answer(sample.task, answer)
        return ids + said, labels + learned

    def _answer(self, task: str, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of an answer and their labels.

        Half of the JSON answers begin as under a grammar: without the blank line, in one token or
        two, with a first token that the grammar chose and that is therefore not learned.
        """
        if task != "json" or self._rng.random() < 0.5:
            said = self._tokenizer(f"\n\n{answer}")["input_ids"]
            return said, said
        opening = self._rng.choice(([answer[:2]], [answer[0], answer[1]]))
        said = [
            token for part in (*opening, answer[2:]) for token in self._tokenizer(part)["input_ids"]
        ]
        return said, [IGNORED, *said[1:]]


def look(scenes: list[Scene], grid: tuple[int, int]) -> Sight:
    """Work out what each token of each picture shows, from the scenes alone."""
    width, height = grid
    unit = min(width, height)
    xs = (torch.arange(width) + 0.5) / unit
    ys = (torch.arange(height) + 0.5) / unit
    kind = torch.zeros(len(scenes), height, width, dtype=torch.long)
    colour = torch.full((len(scenes), height, width), IGNORED)
    centre = torch.zeros(len(scenes), height, width)
    rank = torch.full((len(scenes), height, width), IGNORED)
    total = torch.full((len(scenes), height, width), IGNORED)
    for row, scene in enumerate(scenes):
        for shape in scene.shapes:
            away = torch.hypot(ys[:, None] - shape.y, xs[None, :] - shape.x)
            cell = min(height - 1, int(shape.y * unit)), min(width - 1, int(shape.x * unit))
            kind[row][(away < 1.25 * shape.radius + 0.7 / unit) & (kind[row] == 0)] = IGNORED
            inside = away < 0.55 * shape.radius
            inside[cell] = True
            kind[row][inside] = 1 + KINDS.index(scene.kind)
            colour[row][inside] = list(COLOURS).index(scene.colour)
            centre[row][cell] = 1.0
        places = centre[row].nonzero(as_tuple=True)
        rank[row][places] = torch.arange(len(places[0]))
        total[row][places] = scene.count - 1
    return Sight(*(t.flatten() for t in (kind, colour, centre, rank, total)))
