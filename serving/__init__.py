"""Serve Qwen3-VL with vLLM behind an OpenAI-compatible gateway."""

from typing import Final

__version__: Final = "0.1.0"
