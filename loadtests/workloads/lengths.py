"""How long real prompts are: published quantiles, and draws from between them."""

import math
import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens at rising shares of requests, from 0 to 1."""

    quantiles: Mapping[float, int]

    @property
    def most(self) -> int:
        """Return the longest length."""
        return max(self.quantiles.values())

    def draw(self, rng: random.Random) -> int:
        """Return a length; between two quantiles its logarithm runs in a straight line."""
        return self.at(rng.random())

    def at(self, share: float) -> int:
        """Return the length that this share of requests, from 0 to 1, does not exceed."""
        shares = list(self.quantiles)
        upper = min(max(1, bisect_right(shares, share)), len(shares) - 1)
        low, high = shares[upper - 1], shares[upper]
        part = (share - low) / (high - low)
        ends = math.log(self.quantiles[low]), math.log(self.quantiles[high])
        return round(math.exp(ends[0] + part * (ends[1] - ends[0])))


# Prompts of GPT-4 conversations in BurstGPT (arXiv 2401.17644), as the table of sequence lengths in
# Llumnix (Sun et al., OSDI 2024) gives them at 50, 80, 95 and 99 %; read in a list of data sets
# that quotes the table. The shortest and the longest are ours.
CONVERSATION: Final = Lengths({0.0: 16, 0.5: 582, 0.8: 1427, 0.95: 2345, 0.99: 3549, 1.0: 4096})
