"""The endpoint's own count of a request's tokens, in the forms in which endpoints give it."""

from dataclasses import dataclass
from typing import Any

import msgspec

# What decoding raises; the last for arrays within arrays without end.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MAX_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and USD as the endpoint told them; None where it did not."""

    prompt: int | None = None
    completion: int | None = None  # thought included
    reasoning: int | None = None
    cached: int | None = None
    image: int | None = None
    video: int | None = None
    cost_usd: float | None = None


def read_usage(told: bytes) -> Usage:
    """Read the JSON of a `usage` object; what is no sane number counts as not told.

    Pictures and videos: vLLM tells them as `prompt_tokens_details.multimodal_tokens.image`, the
    gateway as `prompt_tokens_details.image_tokens`. The cost is OpenRouter's `cost`.
    """
    try:
        usage = msgspec.json.decode(told)
    except NOT_JSON:
        return Usage()
    prompt = _inner(usage, "prompt_tokens_details")
    media = _inner(prompt, "multimodal_tokens")
    return Usage(
        prompt=_count(usage, "prompt_tokens"),
        completion=_count(usage, "completion_tokens"),
        reasoning=_count(_inner(usage, "completion_tokens_details"), "reasoning_tokens"),
        cached=_count(prompt, "cached_tokens"),
        image=_first(_count(media, "image"), _count(prompt, "image_tokens")),
        video=_first(_count(media, "video"), _count(prompt, "video_tokens")),
        cost_usd=_cost(usage),
    )


def _inner(value: Any, name: str) -> dict[str, Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _count(value: Any, name: str) -> int | None:
    count = value.get(name) if isinstance(value, dict) else None
    return count if type(count) is int and 0 <= count <= MAX_NUMBER else None


def _cost(usage: Any) -> float | None:
    cost = usage.get("cost") if isinstance(usage, dict) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if 0 <= cost <= MAX_NUMBER else None


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
