"""The numbers of a model that its memory and its tokens follow from, and what is published of them.

Imports the standard library only: the set-up needs it before anything is installed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from serving.catalogue import INSTRUCT, THINKING

# CUDA context and graphs, and activations that grow with a step. An estimate: vLLM measures.
FIXED_OVERHEAD_BYTES = 2 * 2**30
OVERHEAD_BYTES_PER_BATCHED_TOKEN = 256 * 1024


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers of a checkpoint that memory and tokens follow from."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vision_heads: int
    patch: int
    merge: int
    temporal_patch: int
    max_position_embeddings: int
    weight_bytes: int

    @property
    def cell(self) -> int:
        """Pixels that one picture token covers, each way."""
        return self.patch * self.merge

    @property
    def kv_values_per_token(self) -> int:
        """Numbers kept for one token: keys and values over all layers and heads."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    def image_tokens(self, width: int, height: int, max_pixels: int) -> int:
        """Return what a picture costs after its sides are rounded and it is scaled down."""
        rows, columns = (max(1, round(side / self.cell)) for side in (height, width))
        if rows * columns * self.cell**2 > max_pixels:
            shrink = math.sqrt(width * height / max_pixels)
            rows, columns = (
                max(1, math.floor(side / shrink / self.cell)) for side in (height, width)
            )
        return rows * columns

    def largest_image_tokens(self, max_pixels: int) -> int:
        """Return the most tokens a picture can cost under a pixel cap."""
        return max_pixels // self.cell**2

    def largest_video_tokens(self, max_pixels: int) -> int:
        """Return the most tokens a video can cost under a cap on frames x width x height."""
        return max_pixels // (self.cell**2 * self.temporal_patch)


# 36 layers of 192.95 M, embeddings and head of 151,936 x 4,096 each, and the picture encoder with
# its mergers, in 2 bytes each. The FP8 checkpoint stores the layers' matrices in 1.
PARAMETERS = 8_767_123_696
FP8_PARAMETERS = 6_945_767_424
QWEN3_VL_8B = ModelShape(
    layers=36,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vision_heads=16,
    patch=16,
    merge=2,
    temporal_patch=2,
    max_position_embeddings=262_144,
    weight_bytes=2 * PARAMETERS,
)
QWEN3_VL_8B_FP8 = replace(QWEN3_VL_8B, weight_bytes=2 * PARAMETERS - FP8_PARAMETERS)
PUBLISHED: Mapping[str, ModelShape] = MappingProxyType(
    {
        THINKING: QWEN3_VL_8B,
        f"{THINKING}-FP8": QWEN3_VL_8B_FP8,
        INSTRUCT: QWEN3_VL_8B,
        f"{INSTRUCT}-FP8": QWEN3_VL_8B_FP8,
    }
)


def overhead_bytes(max_num_batched_tokens: int) -> int:
    """Return what a GPU needs beside weights and KV cache, for steps of that many tokens."""
    return FIXED_OVERHEAD_BYTES + max_num_batched_tokens * OVERHEAD_BYTES_PER_BATCHED_TOKEN


def readable(size_bytes: int) -> str:
    """Write a size of memory in the unit that suits it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
