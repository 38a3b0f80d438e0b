"""Bounds of the histograms in seconds: a thought takes seconds to minutes, a token milliseconds."""

from typing import Final

# A first token comes within milliseconds when nothing waits; 0.12 s is the hosted pages' figure.
FIRST_TOKEN: Final = (0.025, 0.05, 0.08, 0.12, 0.2, 0.4, 0.8, 1.5, 2, 3, 6, 12, 30, 60, 120)
# Whoever waits for a thought to end: 30 s is the objective's limit, 900 s the longest answer.
THOUGHT: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 45, 60, 90, 120, 240, 480, 900)
# 50 ms is the objective's limit.
INTER_TOKEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5)
# Parts of a request, from a check of microseconds to a thought of minutes.
STAGE: Final = (0.001, 0.004, 0.015, 0.06, 0.25, 1, 4, 15, 60, 240, 900)
MEDIA: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
STORE: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
# Tokens of one thought or answer, up to the largest output there is.
TOKENS: Final = (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 81920)
