"""Numbers as people read them."""

import math

import pytest

from loadtests.report import figures
from loadtests.result import Quantile, Share, Spread


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        ("never", "never"),
        (math.inf, "never"),
        (0.0, "0 ms"),
        (41e-6, "41 µs"),
        (0.00123, "1.23 ms"),
        (0.0392, "39.2 ms"),
        (0.3021, "302 ms"),
        (0.9994, "999 ms"),
        (0.9999, "1.00 s"),
        (2.204, "2.20 s"),
        (123.4, "123 s"),
    ],
)
def test_times_have_three_digits_and_their_unit(value: float | str | None, words: str) -> None:
    """From microseconds to minutes, and what is none says so."""
    assert figures.seconds(value) == words  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (0.004, "0.4 %"),
        (0.5, "50 %"),
        (0.9901, "99.0 %"),
        (0.99, "99 %"),
        (0.9999, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_all_but_a_few_is_never_written_as_all(share: float | None, words: str) -> None:
    """One failure of ten thousand is none of 100 %."""
    assert figures.percent(share) == words


def test_an_absent_percentile_says_why() -> None:
    """So many there are, so many it takes."""
    assert figures.why_absent(Spread(n=40), "p95") == "n = 40; p95 needs 130"
    assert figures.why_absent(Spread(n=1000), "p999") == "n = 1,000; p99.9 needs 6,636"


def test_intervals_have_both_sides_or_none() -> None:
    """Half an interval would be read as a whole one."""
    assert figures.interval(Quantile(value=1.0, low=0.5, high=2.0)) == "500 ms to 2.00 s"
    assert figures.interval(Quantile(value=1.0, low=0.5)) == ""
    told = Share(part=9, whole=10, value=0.9, low=0.596, high=0.982)
    assert figures.interval(told) == "59.6 to 98.2 %"
