"""A checkpoint without weights: everything a start reads but the weights, which vLLM draws itself.

For `--load-format dummy`, where no real weights can be had. The folder is made anew in seconds.
Its file of weights is a head without a body: as long as the real ones are, so that the arithmetic
of memory comes out right, but a hole in the file system. Nobody reads it.
"""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

from deploy.benchmarks.gpu_curve import tokenizer
from deploy.benchmarks.gpu_curve.architecture import (
    MERGE,
    PATCH,
    TEMPORAL_PATCH,
    WEIGHT_BYTES,
    Network,
    configuration,
    parameters,
)

# The folder's name is the model's: it is served with the real one's sampling and limits.
NAME = "Qwen3-VL-8B-Thinking"
TEMPLATE = tokenizer.ROOT / "serving" / "tiny_model" / "chat_template.jinja"
# The published processor's limits, in pixels; those of a video count all its frames.
PICTURE_PIXELS = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
VIDEO_PIXELS = {"shortest_edge": 4096, "longest_edge": 25_165_824}
# What is given to every output: nothing that a tokenizer declares ends one.
TOKENIZER_CONFIG = {
    "tokenizer_class": "TokenizersBackend",
    "backend": "tokenizers",
    "processor_class": "Qwen3VLProcessor",
    "pad_token": "<|endoftext|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
}


def make(parent: Path, network: Network) -> Path:
    """Make the folder below `parent`, in place of one that is there; raises OSError."""
    folder = parent / NAME
    unfinished = parent / f"{NAME}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _write(unfinished / "config.json", configuration(network))
    _write(unfinished / "processor_config.json", processor_configuration())
    _write(
        unfinished / "tokenizer_config.json",
        TOKENIZER_CONFIG | {"model_max_length": network.context},
    )
    tokenizer.build().save(str(unfinished / "tokenizer.json"))
    shutil.copy(TEMPLATE, unfinished / TEMPLATE.name)
    _write_hollow(unfinished / "model.safetensors", WEIGHT_BYTES * parameters(network))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def processor_configuration() -> dict[str, Any]:
    """Return how pictures and videos are cut into patches, with the published limits."""
    shared = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": TEMPORAL_PATCH,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "resample": 3,  # bicubic
        "rescale_factor": 1 / 255,
    }
    video = {"fps": 2, "min_frames": 4, "max_frames": 768, "do_sample_frames": True}
    return {
        "processor_class": "Qwen3VLProcessor",
        "image_processor": {
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": PICTURE_PIXELS,
            **shared,
        },
        "video_processor": {
            "video_processor_type": "Qwen3VLVideoProcessor",
            "size": VIDEO_PIXELS,
            **shared,
            **video,
        },
    }


def _write_hollow(path: Path, size_bytes: int) -> None:
    tensor = {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}
    head = json.dumps({"hollow": tensor}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(file.tell() + size_bytes)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
