"""What is learned from a sample: its thought and answer, after a prompt as a server makes it."""

from __future__ import annotations

import random
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from serving.tiny_model import curriculum
from tests.later import Later

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

    from serving.tiny_model.lessons import Batch
    from serving.tiny_model.samples import Sample

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
torch = Later("torch")
lessons = Later("serving.tiny_model.lessons")

OPENED = "<|im_start|>assistant\n<think>\n"
PAD = "<|endoftext|>"
PIXELS_PER_TOKEN = 32
PLACES = ("<|image_pad|>", "<|video_pad|>")


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
    return samples, lessons.Lessons(processor, "lesson").batch(samples, [(3, 3)])


@pytest.mark.parametrize("task", [task for task in curriculum.TASKS if task != "json"])
def test_thought_and_answer_are_learned_and_nothing_else(
    task: str, processor: Qwen3VLProcessor
) -> None:
    """A row says thought, end and answer; a cut one the thought so far, a forced end, the answer.

    What was forced is never learned, nor is the prompt: another hand writes both.
    """
    samples, batch = drawn(task, 16, processor)
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


@pytest.mark.parametrize("task", ["unknown", "which_picture", "history"])
def test_what_is_asked_without_a_budget_is_never_cut(
    task: str, processor: Qwen3VLProcessor
) -> None:
    """The second set, and what has nothing to answer early, are learned whole."""
    samples, batch = drawn(task, 40, processor)
    for row, sample in enumerate(samples):
        expected = f"{sample.thought}\n</think>\n\n{sample.answer}<|im_end|>"
        assert spoken(batch, row, processor) == (expected, expected)


def test_what_pictures_would_show_is_told_where_there_are_none(
    processor: Qwen3VLProcessor,
) -> None:
    """Then only the conclusion is learned, as a network without eyes can draw it."""
    batch = lessons.Lessons(processor, "lesson").texts({"which_picture": 1}, 16)
    picture = processor.tokenizer.convert_tokens_to_ids(lessons.IMAGE)
    assert picture not in batch.inputs["input_ids"]
    assert (batch.sight, "pixel_values" in batch.inputs) == (None, False)
    for row in range(16):
        said, learned = spoken(batch, row, processor)
        told, conclusion = said.split(" So ")
        assert learned == f" So {conclusion}"
        assert told.startswith("Find ")
        assert told.endswith(" second.")


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


def prompt_of(batch: Batch, row: int, processor: Qwen3VLProcessor) -> list[int]:
    """Return a row's token ids up to the open thought."""
    ids = batch.inputs["input_ids"][row].tolist()
    opened = processor.tokenizer(OPENED)["input_ids"]
    ends = [n for n in range(len(ids)) if ids[n - len(opened) : n] == opened]
    return list(ids[: ends[-1]])


@pytest.mark.parametrize("task", ["colour", "second_turn", "which_picture", "frames"])
def test_a_prompt_with_pictures_is_what_the_processor_makes_of_them(
    task: str, processor: Qwen3VLProcessor
) -> None:
    """Ids, kinds of tokens and grids are a server's, for pictures of two sizes in turn."""
    grids = ((6, 6), (8, 5))
    samples = [curriculum.sample("lesson", task, index, 1.2) for index in range(4)]
    batch = lessons.Lessons(processor, "lesson").batch(samples, grids)
    sizes = []
    for row, sample in enumerate(samples):
        sizes += (these := [grids[n % 2] for n in range(len(sample.pictures))])
        prompt = processor.apply_chat_template(
            list(sample.messages), add_generation_prompt=True, tokenize=False
        )
        pictures = [
            Image.new("RGB", (w * PIXELS_PER_TOKEN, h * PIXELS_PER_TOKEN)) for w, h in these
        ]
        served = processor(text=[prompt], images=pictures)
        ids = served["input_ids"][0]
        assert prompt_of(batch, row, processor) == list(ids)
        kinds = batch.inputs["mm_token_type_ids"][row]
        assert kinds[: len(ids)].tolist() == list(served["mm_token_type_ids"][0])
        assert not kinds[len(ids) :].any()
    assert batch.inputs["image_grid_thw"].tolist() == [[1, 2 * h, 2 * w] for w, h in sizes]
    assert len(batch.inputs["pixel_values"]) == 4 * sum(w * h for w, h in sizes)
    assert batch.sight is not None
    assert len(batch.sight.kind) == sum(w * h for w, h in sizes)


def test_text_alone_has_nothing_to_see(processor: Qwen3VLProcessor) -> None:
    """A batch of sums has token ids and a mask, and no sight."""
    _, batch = drawn("addition", 3, processor)
    assert set(batch.inputs) == {"input_ids", "attention_mask"}
    assert batch.sight is None


def test_every_task_is_asked_in_batches_of_its_form() -> None:
    """No task is forgotten: the mixes are the curriculum's forms."""
    assert set(lessons.ONE_PICTURE_MIX) == set(curriculum.ONE_PICTURE)
    assert {*lessons.TWO_PICTURES_MIX, *lessons.FRAMES_MIX} == set(curriculum.PICTURES)
    assert set(lessons.VIDEO_MIX) == set(curriculum.VIDEO)
    assert {*lessons.SHORT_MIX, *lessons.TOOL_MIX, "aloud"} == set(curriculum.TEXT)


def places_of(batch: Batch, processor: Qwen3VLProcessor) -> int:
    """Return how many tokens of a batch are places of pictures or videos."""
    ids = torch.tensor(processor.tokenizer.convert_tokens_to_ids(list(PLACES)))
    return int(torch.isin(batch.inputs["input_ids"], ids).sum())


def test_batches_with_pictures_take_turns_in_their_forms(processor: Qwen3VLProcessor) -> None:
    """A batch asks tasks of one form, sees what it has places for, and every form comes."""
    drawer = lessons.Lessons(processor, "forms")
    batches = [drawer.seen(0.0) for _ in range(16)]
    forms = (curriculum.ONE_PICTURE, curriculum.PICTURES, curriculum.VIDEO)
    met = [[form for form in forms if set(batch.tasks) <= set(form)] for batch in batches]
    assert all(len(fitting) == 1 for fitting in met)
    assert {form for fitting in met for form in fitting} == set(forms)
    for batch in batches:
        assert 4 <= len(batch.tasks) <= 32
        assert batch.sight is not None
        assert places_of(batch, processor) == len(batch.sight.kind)


def test_large_pictures_come_mostly_later(processor: Qwen3VLProcessor) -> None:
    """The share of batches with pictures of any size grows with time, from few to most."""
    shares = []
    for progress in (0.0, 0.25, 1.0):
        drawer = lessons.Lessons(processor, "large")
        chosen: list[bool] = []
        # Choices alone are wanted here, hundreds of them.
        for form in ("one", "two", "frames", "videos"):
            setattr(drawer, form, lambda *, large, met=chosen: met.append(large))
        for _ in range(300):
            drawer.seen(progress)
        shares.append(sum(chosen) / len(chosen))
    assert 0 < shares[0] < 0.2 < shares[1] < 0.5 < shares[2] < 0.8


def test_the_same_seed_draws_the_same_lessons(processor: Qwen3VLProcessor) -> None:
    """A batch depends on split and seed; another seed gives others, and none comes twice."""
    first, again, other = (lessons.Lessons(processor, "lesson", seed) for seed in (1, 1, 2))
    batches = [
        each.texts(lessons.TOOL_MIX, 4).inputs["input_ids"] for each in (first, again, other)
    ]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])
    assert not torch.equal(batches[0], first.texts(lessons.TOOL_MIX, 4).inputs["input_ids"])


@pytest.mark.parametrize("most", [56, 100, 256])
def test_picture_sizes_stay_within_the_processors_limits(
    most: int, processor: Qwen3VLProcessor
) -> None:
    """The processor leaves every size that is drawn as it is, so tokens and pixels agree."""
    assert most in {lessons.SMALL, lessons.OF_MANY, lessons.MOST}
    limits = processor.image_processor.size
    drawn = [lessons.picture_grid(random.Random(seed), most) for seed in range(200)]
    for width, height in drawn:
        assert width * height <= most
        assert limits.shortest_edge <= width * height * PIXELS_PER_TOKEN**2 <= limits.longest_edge
    assert max(width * height for width, height in drawn) > 0.9 * most


@pytest.mark.parametrize(("large", "heights"), [(False, {3, 4}), (True, {3, 4, 5, 6})])
def test_strips_are_much_wider_than_high(
    large: bool, heights: set[int], processor: Qwen3VLProcessor
) -> None:
    """They are two to five times as wide, of all heights, and not larger than a picture may be."""
    grids = [lessons.strip_grid(random.Random(seed), large=large) for seed in range(300)]
    assert all(2 <= width / height <= 5.1 for width, height in grids)
    assert {height for _, height in grids} == heights
    limits = processor.image_processor.size
    pixels = [width * height * PIXELS_PER_TOKEN**2 for width, height in grids]
    assert max(pixels) <= limits.longest_edge
    assert min(pixels) >= limits.shortest_edge or not large


def test_a_videos_frames_are_small(processor: Qwen3VLProcessor) -> None:
    """Eight of them are never shrunk, and many sizes come, down to two tokens each way."""
    grids = [lessons.frame_grid(random.Random(seed), large=True) for seed in range(400)]
    limit = processor.video_processor.size.longest_edge
    assert all(8 * width * height * PIXELS_PER_TOKEN**2 <= limit for width, height in grids)
    assert min(min(grid) for grid in grids) == 2
    assert len(set(grids)) > 30
