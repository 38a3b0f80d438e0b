"""Serve Qwen3-VL with vLLM behind an OpenAI-compatible gateway."""
