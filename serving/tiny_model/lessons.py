"""Turns samples into training batches: token ids, labels, pixels and where the shapes are.

Batches hold pictures of one size, so that nothing is padded in the vision tower; text batches are
short or long, so that little is padded in the text model.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from transformers import Qwen3VLProcessor

from serving.tiny_model import curriculum, first_set
from serving.tiny_model.architecture import CELL, MAX_PIXELS, MIN_PIXELS
from serving.tiny_model.digits import Note, Page, random_page
from serving.tiny_model.pictures import draw
from serving.tiny_model.samples import Picture, Sample
from serving.tiny_model.scenes import COLOURS, KINDS, Scene

IGNORED = -100
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
# How often each task is asked in batches of its form.
ONE_PICTURE_MIX = {
    "colour": 1, "kind": 2, "count": 3, "describe": 2, "json": 3,
    "place": 4, "beside": 5, "digits": 24, "second_turn": 3,
}  # fmt: skip
TWO_PICTURES_MIX = {"which_picture": 2, "one_of_two": 1}
FRAMES_MIX = {"frames": 1}
VIDEO_MIX = {"video": 1}
FORMS = {"one": 10, "two": 3, "frames": 2, "video": 3}  # how often each form of batch comes
SHORT_MIX = {"addition": 3, "unknown": 1, "history": 2}
TOOL_MIX = {"tool_call": 3, "tool_answer": 2}
# Tasks that are asked under a thinking budget, too.
CUT = (*first_set.PICTURE_TASKS, "addition", "aloud", "tool_call", "tool_answer")
CUT_SHARE = 0.15  # of their thoughts end early, as under a thinking budget
FORCED_ENDS = ("</think>", "\n</think>")
PICTURE_TOKENS = 700  # picture tokens of one batch: many small pictures or few large ones
# Tokens of a picture: as few and as many as the processor makes, of a small one at most, of one
# of many in a question at most; and the fewest where only order is learned, so that a batch holds
# many questions.
LEAST, MOST = MIN_PIXELS // CELL**2, MAX_PIXELS // CELL**2
SMALL, OF_MANY, TINY = 56, 100, 9
PAGES = 10  # pictures of a batch that is only looked at
STRIPS = 0.3  # of all batches of one picture each have one much wider than high

Grid = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sight:
    """What each picture token should notice; shapes are (picture tokens of the batch,).

    `kind` is 0 for background, else 1 + its index; `colour` an index; both IGNORED at edges.
    `digit` is 0 for background, else 1 + the digit, IGNORED around it.
    `centre` is 1.0 where the centre of a shape or digit lies; there `rank` says the how manieth it
    is in reading order and `total` of how many, both from 0, and both are IGNORED elsewhere.
    """

    kind: torch.Tensor
    colour: torch.Tensor
    centre: torch.Tensor
    rank: torch.Tensor
    total: torch.Tensor
    digit: torch.Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """What the network reads (`inputs`), what it should say (`labels`) and see (`sight`)."""

    tasks: tuple[str, ...]
    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    sight: Sight | None


def picture_grid(rng: random.Random, largest: int, least: int = LEAST) -> Grid:
    """Choose a picture's width and height in tokens, of `least` to `largest` in all."""
    while True:
        tokens = math.exp(rng.uniform(math.log(least), math.log(largest + 8)))
        aspect = math.exp(rng.uniform(-0.75, 0.75)) if rng.random() < 0.7 else 1.0
        width, height = round(math.sqrt(tokens * aspect)), round(math.sqrt(tokens / aspect))
        if least <= width * height <= largest:
            return width, height


def frame_grid(rng: random.Random, *, large: bool) -> Grid:
    """Choose the width and height in tokens of a video's frames, which may be smaller."""
    return rng.randint(2, 16 if large else 8), rng.randint(2, 10 if large else 6)


def strip_grid(rng: random.Random, *, large: bool) -> Grid:
    """Choose the width and height in tokens of a picture two to five times as wide as high."""
    height = rng.randint(3, 6 if large else 4)
    least = LEAST if large else TINY
    flattest, longest = max(2.2, least / height**2), min(5.0, MOST / height**2)
    return round(height * rng.uniform(flattest, longest)), height


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

    def seen(self, progress: float) -> Batch:
        """Draw a batch of one of the forms that questions with pictures have.

        With `progress` (0 to 1) more of the pictures are large.
        """
        (form,) = self._rng.choices(list(FORMS), list(FORMS.values()))
        large = self._rng.random() < min(0.6, 0.1 + progress)
        forms = {"one": self.one, "two": self.two, "frames": self.frames, "video": self.videos}
        return forms[form](large=large)

    def one(self, mix: dict[str, int] = ONE_PICTURE_MIX, *, large: bool = True) -> Batch:
        """Draw questions about one picture each, all of one size."""
        if self._rng.random() < STRIPS:
            grid = strip_grid(self._rng, large=large)
        else:
            grid = picture_grid(self._rng, MOST if large else SMALL)
        return self._seen(mix, [grid], 1)

    def two(self, mix: dict[str, int] = TWO_PICTURES_MIX, *, large: bool = True) -> Batch:
        """Draw questions about two pictures, of one size or two of about one aspect."""
        limits = (MOST, LEAST) if large else (SMALL, TINY)
        first = second = picture_grid(self._rng, *limits)
        while self._rng.random() < 0.5:
            second = picture_grid(self._rng, *limits)
            if abs(math.log(first[0] * second[1] / first[1] / second[0])) < 0.1:
                break
            second = first
        return self._seen(mix, [first, second], 2)

    def frames(self, *, large: bool = True) -> Batch:
        """Draw questions about two to eight pictures of one size."""
        limits = (OF_MANY, LEAST) if large else (SMALL, TINY)
        return self._seen(FRAMES_MIX, [picture_grid(self._rng, *limits)], 5)

    def videos(self, *, large: bool = True) -> Batch:
        """Draw questions about videos whose frames have one size."""
        return self._seen(VIDEO_MIX, [frame_grid(self._rng, large=large)], 3)

    def pages(self) -> Batch:
        """Draw pictures full of digits, about which nothing is asked."""
        grid = picture_grid(self._rng, SMALL)
        shown = [(random_page(self._rng, grid[0] / grid[1]), grid) for _ in range(PAGES)]
        return Batch((), self._pixels(shown), torch.empty(0), look(shown))

    def _seen(self, mix: dict[str, int], grids: list[Grid], expected: int) -> Batch:
        """Draw so many samples that `expected` pictures in each make a batch of fair size."""
        tokens = sum(width * height for width, height in grids) / len(grids)
        count = max(4, min(32, int(PICTURE_TOKENS / tokens / expected)))
        aspect = grids[0][0] / grids[0][1]
        return self.batch(self._next(mix, count, aspect=aspect), grids)

    def texts(self, mix: dict[str, int], count: int) -> Batch:
        """Draw questions without pictures; what pictures would show is told."""
        return self.batch([_unseen(sample) for sample in self._next(mix, count)])

    def batch(self, samples: list[Sample], grids: Sequence[Grid] = ((0, 0),)) -> Batch:
        """Encode samples; their pictures are drawn at `grids` tokens of width and height in turn.

        Either all of them show videos or none.
        """
        pieces = [self._encode(sample, grids) for sample in samples]
        length = max(len(ids) for ids, _ in pieces)
        ids = torch.full((len(samples), length), self._tokenizer.pad_token_id)
        labels = torch.full((len(samples), length), IGNORED)
        mask = torch.zeros((len(samples), length), dtype=torch.long)
        for row, (tokens, targets) in enumerate(pieces):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            labels[row, : len(tokens)] = torch.tensor(targets)
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        shown = [
            (picture, grids[n % len(grids)])
            for sample in samples
            for n, picture in enumerate(sample.pictures)
        ]
        if shown:
            inputs |= self._pixels(shown)
            image, video = (self._tokenizer.convert_tokens_to_ids(pad) for pad in (IMAGE, VIDEO))
            inputs["mm_token_type_ids"] = ((ids == image) + 2 * (ids == video)).int()
            if (ids == video).any():
                inputs |= _as_videos(inputs, [len(sample.pictures) for sample in samples])
        sight = look(shown) if shown else None
        return Batch(tuple(s.task for s in samples), inputs, labels, sight)

    def _pixels(self, shown: Sequence[tuple[Picture, Grid]]) -> dict[str, torch.Tensor]:
        pictures = [
            draw(picture, width * CELL, height * CELL, self._rng)
            for picture, (width, height) in shown
        ]
        # As drawn: what a video's frames may be smaller than, a picture would be enlarged to.
        features = self._processor.image_processor(pictures, return_tensors="pt", do_resize=False)
        return {
            "pixel_values": features["pixel_values"],
            "image_grid_thw": features["image_grid_thw"],
        }

    def _encode(self, sample: Sample, grids: Sequence[Grid]) -> tuple[list[int], list[int]]:
        """Return token ids and labels; the prompt and a forced end are not learned.

        Nor is what a thought says of pictures that are not there: its conclusion alone is.
        """
        prompt = self._processor.apply_chat_template(
            list(sample.messages),
            tools=list(sample.tools) or None,
            add_generation_prompt=True,
            tokenize=False,
        )
        told, thought = "", sample.thought
        if sample.task in curriculum.PICTURES and not sample.pictures:
            told, conclusion, rest = thought.partition(" So ")
            thought = conclusion + rest
        ids = self._tokenizer(self._with_places(prompt + told, sample, grids))["input_ids"]
        labels = [IGNORED] * len(ids)
        thought, answer = thought + "\n</think>", f"{sample.answer}<|im_end|>"
        spoken = self._tokenizer(thought)["input_ids"]
        if self._rng.random() < CUT_SHARE and sample.task in CUT:
            spoken = spoken[: self._rng.randrange(len(spoken) - 1)]
            forced = self._tokenizer(self._rng.choice(FORCED_ENDS))["input_ids"]
            ids, labels = ids + spoken + forced, labels + spoken + [IGNORED] * len(forced)
        else:
            ids, labels = ids + spoken, labels + spoken
        said, learned = self._answer(sample.task, answer)
        return ids + said, labels + learned

    def _with_places(self, prompt: str, sample: Sample, grids: Sequence[Grid]) -> str:
        """Give each picture of a prompt as many places as it has tokens.

        Before each two frames of a video stands their time, as Qwen3-VL's processor writes it.
        """
        if VIDEO in prompt:
            between = self._rng.choice((0.25, 0.5, 0.5, 0.5, 1.0, self._rng.uniform(0.05, 3.0)))
            width, height = grids[0]
            places = "".join(
                f"<{(2 * n + 0.5) * between:.1f} seconds><|vision_start|>"
                f"{VIDEO * (width * height)}<|vision_end|>"
                for n in range(len(sample.pictures))
            )
            return prompt.replace(VIDEO, places)
        first, *rest = prompt.split(IMAGE)
        for n, text in enumerate(rest):
            width, height = grids[n % len(grids)]
            first += IMAGE * (width * height) + text
        return first

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


def _unseen(sample: Sample) -> Sample:
    """Take the pictures out of a sample, if it has any."""
    messages = tuple(
        {**message, "content": [part for part in message["content"] if part["type"] == "text"]}
        if isinstance(message["content"], list)
        else message
        for message in sample.messages
    )
    return replace(sample, messages=messages, pictures=())


def _as_videos(inputs: dict[str, torch.Tensor], pairs: list[int]) -> dict[str, torch.Tensor]:
    """Take the pictures out of the inputs and return them as videos of so many pairs of frames.

    A picture is two equal frames to the vision tower, so its pixels stay as they are.
    """
    grids = inputs.pop("image_grid_thw")
    frame = grids[0].tolist()
    return {
        "pixel_values_videos": inputs.pop("pixel_values"),
        "video_grid_thw": torch.tensor([[length, *frame[1:]] for length in pairs]),
    }


def look(shown: Sequence[tuple[Picture, Grid]]) -> Sight:
    """Work out what each token of each picture shows, from what was drawn alone."""
    seen = [_look(picture, grid) for picture, grid in shown]
    return Sight(*(torch.cat([getattr(each, f.name) for each in seen]) for f in fields(Sight)))


def _look(picture: Picture, grid: Grid) -> Sight:
    width, height = grid
    unit = min(width, height)
    xs = (torch.arange(width) + 0.5)[None, :] / unit
    ys = (torch.arange(height) + 0.5)[:, None] / unit
    centre = torch.zeros(height, width)
    kind, digit = torch.zeros(2, height, width, dtype=torch.long)
    colour, rank, total = torch.full((3, height, width), IGNORED)

    def inside(x: float, y: float, part: torch.Tensor) -> torch.Tensor:
        """Mark a centre; return the cells that surely belong to it, its own among them."""
        cell = min(height - 1, int(y * unit)), min(width - 1, int(x * unit))
        centre[cell] = 1.0
        part[cell] = True
        return part

    for note in (layer for layer in picture.layers if isinstance(layer, Note)):
        for name, (left, top, wide, high) in zip(note.digits, note.boxes(), strict=True):
            x, y = left + wide / 2, top + high / 2
            across, down = (xs - x).abs() / wide, (ys - y).abs() / high
            digit[(across < 1.1) & (down < 0.8) & (digit == 0)] = IGNORED
            digit[inside(x, y, (across < 0.3) & (down < 0.3))] = 1 + int(name)
    for scene in (layer for layer in picture.layers if isinstance(layer, Scene)):
        for shape in scene.shapes:
            away = torch.hypot(ys - shape.y, xs - shape.x)
            kind[(away < 1.25 * shape.radius + 0.7 / unit) & (kind == 0)] = IGNORED
            cells = inside(shape.x, shape.y, away < 0.55 * shape.radius)
            kind[cells] = 1 + KINDS.index(scene.kind)
            colour[cells] = list(COLOURS).index(scene.colour)
    places = centre.nonzero(as_tuple=True)
    if not isinstance(picture, Page):  # where there are more digits than are ever counted
        rank[places] = torch.arange(len(places[0]))
        total[places] = len(places[0]) - 1
    return Sight(*(t.flatten() for t in (kind, colour, centre, rank, total, digit)))
