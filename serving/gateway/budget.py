"""How the output tokens of one request are shared between the thought and the answer."""

from math import ceil

SHARES = {"max": 0.95, "xhigh": 0.95, "high": 0.8, "medium": 0.5, "low": 0.2, "minimal": 0.1}
MIN_RESERVE_TOKENS = 256
RESERVE_SHARE = 0.05


def answer_reserve(max_tokens: int) -> int:
    """Return the tokens kept for the answer: at least 256, but never more than half."""
    return min(max(MIN_RESERVE_TOKENS, ceil(RESERVE_SHARE * max_tokens)), ceil(max_tokens / 2))


def thinking_budget(max_tokens: int, share: float) -> int:
    """Return the tokens the thought may take before it is ended."""
    return max(0, min(int(share * max_tokens), max_tokens - answer_reserve(max_tokens)))
