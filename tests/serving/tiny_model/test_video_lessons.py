"""A lesson's video is, token by token and pixel by pixel, what a server makes of a real one."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serving.tiny_model import curriculum
from serving.tiny_model.exam_pictures import render
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

GRID = (7, 6)  # so large that no frame is enlarged
CELL = 32
OPENED = "<|im_start|>assistant\n<think>\n"
USUAL = (0.25, 0.5, 1.0)  # seconds between two frames, as servers take them


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Return questions about videos."""
    return [curriculum.sample("video", "video", index, GRID[0] / GRID[1]) for index in range(16)]


@pytest.fixture(scope="module")
def batch(samples: list[Sample], processor: Qwen3VLProcessor) -> Batch:
    """Return the batch made of them."""
    return lessons.Lessons(processor, "video").batch(samples, [GRID])  # type: ignore[no-any-return]


def frames_of(batch: Batch, row: int) -> Any:
    """Put a row's patches together to frames again, of 8 bits: (frames, channels, rows, columns).

    Patches come by pairs of frames and by two times two of a cell, each with both its frames.
    """
    lengths = [int(grid[0]) for grid in batch.inputs["video_grid_thw"]]
    width, height = GRID
    each = batch.inputs["pixel_values_videos"].split([n * width * height * 4 for n in lengths])
    patches = each[row].view(lengths[row], height, width, 2, 2, 3, 2, 16, 16)
    frames = patches.permute(0, 6, 5, 1, 3, 7, 2, 4, 8)
    frames = frames.reshape(2 * lengths[row], 3, height * CELL, width * CELL)
    return ((frames * 0.5 + 0.5) * 255).round().to(torch.uint8)


def seconds_between(text: str, length: int) -> float:
    """Find by what time frames follow each other, from the times that stand before each two."""
    said = re.findall(r"<([\d.]+) seconds>", text)
    assert len(said) == length

    def fits(between: float) -> bool:
        times = [(2 * n * between + (2 * n + 1) * between) / 2 for n in range(length)]
        return [f"{time:.1f}" for time in times] == said

    fitting = [between for between in USUAL if fits(between)]
    fitting = fitting or [b for b in np.arange(0.04, 3.06, 0.001).tolist() if fits(b)]
    assert fitting, said
    return fitting[len(fitting) // 2]


def test_a_videos_prompt_is_what_the_processor_makes_of_the_video(
    samples: list[Sample], batch: Batch, processor: Qwen3VLProcessor
) -> None:
    """Ids and kinds of tokens, times included, are those of real frames at some pace."""
    usual = 0
    for row, sample in enumerate(samples):
        frames = frames_of(batch, row)
        text = processor.tokenizer.decode(batch.inputs["input_ids"][row])
        between = seconds_between(text, len(sample.pictures))
        prompt = processor.apply_chat_template(
            list(sample.messages), add_generation_prompt=True, tokenize=False
        )
        times = {"fps": 1 / between, "total_num_frames": len(frames), "duration": 1.0}
        served = processor(
            text=[prompt],
            videos=[frames],
            video_metadata=[{**times, "frames_indices": list(range(len(frames)))}],
            do_sample_frames=False,
        )
        ids, kinds = served["input_ids"][0], served["mm_token_type_ids"][0]
        assert processor.tokenizer.decode(ids).endswith(OPENED)
        assert batch.inputs["input_ids"][row, : len(ids)].tolist() == list(ids)
        assert batch.inputs["mm_token_type_ids"][row, : len(ids)].tolist() == list(kinds)
        assert not batch.inputs["mm_token_type_ids"][row, len(ids) :].any()
        usual += between in USUAL
    assert usual >= len(samples) / 2


def test_a_videos_pixels_are_those_of_its_frames(
    samples: list[Sample], batch: Batch, processor: Qwen3VLProcessor
) -> None:
    """The video processor makes the same of the frames, of which each picture is two."""
    videos = [frames_of(batch, row) for row in range(len(samples))]
    served = processor.video_processor(videos=videos, do_sample_frames=False, return_tensors="pt")
    pixels = batch.inputs["pixel_values_videos"]
    assert torch.allclose(served["pixel_values_videos"], pixels, atol=1e-5)
    assert torch.equal(served["video_grid_thw"], batch.inputs["video_grid_thw"])
    assert not {"pixel_values", "image_grid_thw"} & set(batch.inputs)


def test_a_video_shows_its_pictures_in_their_order(samples: list[Sample], batch: Batch) -> None:
    """Each two frames are alike, and as the examiner draws the picture, but for its wear."""
    for row, sample in enumerate(samples):
        frames = frames_of(batch, row).float().permute(0, 2, 3, 1)
        for picture, first, second in zip(sample.pictures, frames[::2], frames[1::2], strict=True):
            drawn = np.asarray(render(picture, GRID[0] * CELL, GRID[1] * CELL), dtype=float)
            assert torch.equal(first, second)
            assert np.abs(first.numpy() - drawn).mean() < 16


def test_a_video_is_seen_picture_by_picture(samples: list[Sample], batch: Batch) -> None:
    """Sight has one answer for each place of a video's two frames."""
    places = sum(len(sample.pictures) for sample in samples) * GRID[0] * GRID[1]
    assert batch.sight is not None
    assert len(batch.sight.kind) == places == (batch.inputs["mm_token_type_ids"] == 2).sum()
    assert int(batch.sight.centre.sum()) == sum(len(sample.pictures) for sample in samples)
