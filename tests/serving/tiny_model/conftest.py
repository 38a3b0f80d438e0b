"""The tiny model untrained: built once for all tests here, on one thread beside whatever runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Keep torch's threads from waiting for each other where the cores are busy."""
    import torch  # noqa: PLC0415 — seconds that a skip saves

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def processor(one_thread: None) -> Qwen3VLProcessor:
    """Return the processor with the tokenizer and template that are trained with."""
    from serving.tiny_model import architecture  # noqa: PLC0415

    return architecture.build_processor(architecture.build_tokenizer())
