"""What a request is expected to take from the engine, learnt from what others took."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from serving.gateway.answer import Usage

# Prefill computes this many prompt tokens in the time of one output token, roughly, on any GPU.
PROMPT_TOKENS_PER_UNIT: Final = 16
REMEMBERED_ANSWERS: Final = 256
# A token of English is somewhat longer, one of Chinese shorter.
BYTES_PER_TOKEN: Final = 4
# What is believed before an answer was seen.
FIRST_THOUGHT: Final = 800
FIRST_ANSWER: Final = 200


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens a request is expected to take, and how many sequences the engine computes for it."""

    prompt_tokens: int  # those that no cache is expected to hold
    output_tokens: int
    sequences: int = 1

    @property
    def tokens(self) -> int:
        """Return all expected tokens: what they take of the KV cache and of a key's limit."""
        return self.prompt_tokens + self.output_tokens

    @property
    def units(self) -> float:
        """Return the work in output tokens' worth, which waits and shares are reckoned in."""
        return self.output_tokens + self.prompt_tokens / PROMPT_TOKENS_PER_UNIT


class Lengths:
    """The lengths of the last answers, and what the next is expected to have under a limit."""

    def __init__(self, first: int) -> None:
        self._seen: deque[int] = deque([first], maxlen=REMEMBERED_ANSWERS)
        self._sorted = [first]
        self._sums = [0, first]

    def add(self, length: int) -> None:
        """Learn the length of one more answer."""
        self._seen.append(length)
        self._sorted = sorted(self._seen)
        self._sums = [0, *accumulate(self._sorted)]

    def expected(self, limit: int | None = None) -> float:
        """Return the mean of min(length, limit) over what was seen."""
        if limit is None:
            return self._sums[-1] / len(self._sorted)
        under = bisect_left(self._sorted, limit)
        return (self._sums[under] + (len(self._sorted) - under) * limit) / len(self._sorted)


class Forecast:
    """Expects of the next request what the last ones have taken, as far as its limits allow."""

    def __init__(self, *, thinks: bool) -> None:
        self._thoughts = Lengths(FIRST_THOUGHT if thinks else 0)
        self._answers = Lengths(FIRST_ANSWER)
        self._cached_share = 0.0

    def learn(self, usage: Usage, sequences: int) -> None:
        """Learn from an answer that came to its end."""
        self._thoughts.add(usage.reasoning // sequences)
        self._answers.add((usage.output - usage.reasoning) // sequences)
        share = usage.cached / max(1, usage.prompt_tokens)
        self._cached_share += (share - self._cached_share) / REMEMBERED_ANSWERS

    def work(
        self,
        prompt_tokens: float,
        max_tokens: int,
        *,
        thinking_token_budget: int | None = None,
        sequences: int = 1,
    ) -> Work:
        """Return the work of a request from an estimate of its prompt and its limits."""
        thought = self._thoughts.expected(thinking_token_budget)
        output = min(float(max_tokens), thought + self._answers.expected(max_tokens))
        return Work(
            prompt_tokens=round(prompt_tokens * (1 - self._cached_share)),
            output_tokens=round(output) * sequences,
            sequences=sequences,
        )
