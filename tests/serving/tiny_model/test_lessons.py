"""What is learned from a sample: its thought and answer, and what each picture token shows."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest

from serving.tiny_model import curriculum
from serving.tiny_model.curriculum import Sample
from serving.tiny_model.exam_pictures import render
from serving.tiny_model.scenes import COLOURS, KINDS, Scene, Shape
from tests.later import Later

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

    from serving.tiny_model.lessons import Batch

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
torch = Later("torch")
lessons = Later("serving.tiny_model.lessons")

OPENED = "<|im_start|>assistant\n<think>\n"
PAD = "<|endoftext|>"
PIXELS_PER_TOKEN = 32


def spoken(batch: Batch, row: int, processor: Qwen3VLProcessor) -> tuple[str, str]:
    """Return what a row says after the prompt, and the part of it that is learned."""
    ids, labels = batch.inputs["input_ids"][row], batch.labels[row]
    learned = labels != lessons.IGNORED
    assert torch.equal(labels[learned], ids[learned])
    text = processor.tokenizer.decode(ids).split(PAD)[0]
    said = text[text.rindex(OPENED) + len(OPENED) :]
    return said, processor.tokenizer.decode(ids[learned])


def drawn(task: str, count: int, processor: Qwen3VLProcessor) -> tuple[list[Sample], Batch]:
    """Return samples of a task and the batch made of them."""
    samples = [curriculum.sample("lesson", task, index) for index in range(count)]
    grid = (6, 6) if samples[0].scene else (0, 0)
    return samples, lessons.Lessons(processor, "lesson").batch(samples, grid)


PLAIN_TASKS = [
    task for task in (*curriculum.PICTURE_TASKS, *curriculum.TEXT_TASKS) if task != "json"
]


@pytest.mark.parametrize("task", PLAIN_TASKS)
def test_thought_and_answer_are_learned_and_nothing_else(
    task: str, processor: Qwen3VLProcessor
) -> None:
    """A row says thought, end and answer; a cut one the thought so far, a forced end, the answer.

    What was forced is never learned, nor is the prompt: another hand writes both.
    """
    samples, batch = drawn(task, 24, processor)
    whole = 0
    for row, sample in enumerate(samples):
        said, learned = spoken(batch, row, processor)
        answer = f"\n\n{sample.answer}<|im_end|>"
        if learned == f"{sample.thought}\n</think>{answer}":
            assert said == learned
            whole += 1
        else:
            thought = learned.removesuffix(answer)
            assert thought != learned, "a cut thought is answered all the same"
            assert f"{sample.thought}\n</think>".startswith(thought)
            assert said in (f"{thought}</think>{answer}", f"{thought}\n</think>{answer}")
    assert whole > len(samples) / 2


def test_half_the_json_answers_begin_as_under_a_grammar(processor: Qwen3VLProcessor) -> None:
    """They follow the thought at once; their first token, a grammar's choice, is not learned."""
    samples, batch = drawn("json", 40, processor)
    at_once = 0
    for row, sample in enumerate(samples):
        said, learned = spoken(batch, row, processor)
        assert said.endswith(f"{sample.answer}<|im_end|>")
        if said.endswith(f"</think>{sample.answer}<|im_end|>"):
            assert not learned.endswith(f"{sample.answer}<|im_end|>")
            at_once += 1
        else:
            assert learned.endswith(f"\n\n{sample.answer}<|im_end|>")
    assert 8 < at_once < 32


def test_some_thoughts_are_cut(processor: Qwen3VLProcessor) -> None:
    """About 15 % of all samples teach to answer after a budget's end, from its first token on."""
    samples, batch = drawn("addition", 300, processor)
    learned = [spoken(batch, row, processor)[1] for row in range(len(samples))]
    cut = [
        text
        for text, sample in zip(learned, samples, strict=True)
        if not text.startswith(f"{sample.thought}\n</think>")
    ]
    assert 0.08 < len(cut) / len(samples) < 0.22
    assert any(text.startswith("\n\n") for text in cut), "even no thought at all is answered"


def test_what_cannot_be_answered_early_is_never_cut(processor: Qwen3VLProcessor) -> None:
    """The `unknown` task is learned whole."""
    samples, batch = drawn("unknown", 60, processor)
    for row, sample in enumerate(samples):
        expected = f"{sample.thought}\n</think>\n\n{sample.answer}<|im_end|>"
        assert spoken(batch, row, processor) == (expected, expected)


def test_padding_is_neither_read_nor_learned(processor: Qwen3VLProcessor) -> None:
    """The mask covers each row's own tokens, and no label lies beyond it."""
    batch = lessons.Lessons(processor, "lesson").texts(lessons.TOOL_MIX, 8)
    mask = batch.inputs["attention_mask"].bool()
    lengths = mask.sum(1)
    assert len(set(lengths.tolist())) > 1
    pad = processor.tokenizer.convert_tokens_to_ids(PAD)
    for row, length in enumerate(lengths):
        assert mask[row, :length].all()
        assert (batch.inputs["input_ids"][row, length:] == pad).all()
        assert (batch.labels[row, length:] == lessons.IGNORED).all()


def test_a_picture_has_one_place_a_token(processor: Qwen3VLProcessor) -> None:
    """Each row holds width times height places for its picture, and pixels for four times that."""
    _, batch = drawn("colour", 3, processor)
    place = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert (batch.inputs["input_ids"] == place).sum(1).tolist() == [36, 36, 36]
    assert batch.inputs["image_grid_thw"].tolist() == [[1, 12, 12]] * 3
    assert batch.inputs["pixel_values"].shape[0] == 3 * 144


def test_the_same_seed_draws_the_same_lessons(processor: Qwen3VLProcessor) -> None:
    """A batch depends on split and seed; another seed gives others, and none comes twice."""
    first, again, other = (lessons.Lessons(processor, "lesson", seed) for seed in (1, 1, 2))
    batches = [
        each.texts(lessons.TOOL_MIX, 4).inputs["input_ids"] for each in (first, again, other)
    ]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])
    assert not torch.equal(batches[0], first.texts(lessons.TOOL_MIX, 4).inputs["input_ids"])


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_picture_sizes_stay_within_the_processors_limits(
    progress: float, processor: Qwen3VLProcessor
) -> None:
    """The processor leaves every size that is drawn as it is, so tokens and pixels agree."""
    limits = processor.image_processor.size
    for seed in range(40):
        width, height = lessons.picture_grid(lessons.Lessons(processor, f"{seed}")._rng, progress)
        assert limits.shortest_edge <= width * height * PIXELS_PER_TOKEN**2 <= limits.longest_edge


CIRCLE = Scene(
    kind="circle",
    colour="red",
    shade=COLOURS["red"],
    background=((240, 240, 240), (240, 240, 240)),
    shapes=(Shape(x=0.62, y=0.45, radius=0.3, turn=0.0),),
    aspect=1.6,
)


def test_sight_of_a_circle_is_what_distance_says() -> None:
    """Cells within 0.55 radii are the circle, those around its edge open, others ground."""
    sight = lessons.look([CIRCLE], (8, 5))
    for token, (row, column) in enumerate((r, c) for r in range(5) for c in range(8)):
        away = math.sqrt(((column + 0.5) / 5 - 0.62) ** 2 + ((row + 0.5) / 5 - 0.45) ** 2)
        if away < 0.165:
            kind, colour = 1 + KINDS.index("circle"), list(COLOURS).index("red")
        else:
            kind, colour = (lessons.IGNORED if away < 0.375 + 0.14 else 0), lessons.IGNORED
        assert (sight.kind[token], sight.colour[token]) == (kind, colour), (row, column)
    assert sight.centre.nonzero().tolist() == [[2 * 8 + 3]]
    assert sight.centre[2 * 8 + 3] == 1.0


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize(("kind", "share"), [("circle", 1.0), ("square", 1.0), ("triangle", 0.9)])
def test_sight_agrees_with_the_drawn_picture(kind: str, share: float, index: int) -> None:
    """Drawn by the other renderer, cells called a shape hold it and cells called ground do not.

    The cells called a triangle form a disc, which reaches a little over its sides.
    """
    samples = (curriculum.sample(f"sight-{kind}", "kind", n, 1.6) for n in range(index, 1000, 6))
    scene = next(s.scene for s in samples if s.scene is not None and s.scene.kind == kind)
    width, height = 16, 10
    picture = render(scene, width * PIXELS_PER_TOKEN, height * PIXELS_PER_TOKEN)
    away = np.linalg.norm(np.asarray(picture, dtype=float) - np.array(scene.shade), axis=2)
    cells = (away < 1).reshape(height, PIXELS_PER_TOKEN, width, PIXELS_PER_TOKEN)
    covered = torch.from_numpy(cells.mean(axis=(1, 3))).flatten()
    sight = lessons.look([scene], (width, height))
    held = covered[sight.kind == 1 + KINDS.index(kind)] > 0.2
    assert held.double().mean() >= share
    assert (covered[sight.kind == 0] == 0).all()
    assert int(sight.centre.sum()) == len(scene.shapes)
    assert (covered[sight.centre == 1] > 0.2).all()
