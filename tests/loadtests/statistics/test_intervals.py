"""Percentiles, shares and differences, against arithmetic that is done another way."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.statistics.intervals import (
    Estimate,
    Pooled,
    batch_error,
    difference,
    mean,
    nearest_rank,
    normal,
    quantile,
    rank_interval,
    smallest_sample,
    student_t,
    wilson,
)

SIZES = (1, 5, 8, 9, 11, 30, 64, 71, 72, 73, 130)
SHARES = (Fraction(1, 2), Fraction(9, 10), Fraction(19, 20), Fraction(99, 100))
TAIL = Fraction(25, 1000)


def at_most(size, share, count):
    """Return the exact probability that at most `count` of `size` fall below a percentile."""
    return sum(math.comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(count + 1))


@pytest.mark.parametrize(
    ("percentile", "size"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)]
)
def test_a_percentile_needs_its_sample(percentile, size):
    """The sizes are those of MLCommons' early stopping at 99 % confidence."""
    assert smallest_sample(percentile) == size


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("size", SIZES)
def test_the_ranks_of_an_interval_are_the_innermost_that_hold_95_percent(size, share):
    """Exact fractions say that each bound leaves 2.5 % outside, and that the next would not."""
    low, high = rank_interval(size, float(share))
    if low is None:
        assert at_most(size, share, 0) > TAIL
    else:
        assert at_most(size, share, low - 1) <= TAIL < at_most(size, share, low)
    if high is None:
        assert share**size > TAIL
    else:
        assert 1 - at_most(size, share, high - 1) <= TAIL
        assert 1 - at_most(size, share, high - 2) > TAIL


def test_the_ranks_of_a_large_sample_lie_where_the_normal_distribution_puts_them():
    """With 100,000 values the binomial distribution is normal to within a rank or two."""
    low, high = rank_interval(100_000, 0.95)
    half = 1.959964 * math.sqrt(100_000 * 0.95 * 0.05)
    assert low == pytest.approx(95_000 - half, abs=3)
    assert high == pytest.approx(95_000 + half, abs=3)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.sampled_from((0.5, 0.9, 0.95)))
def test_a_percentile_has_its_share_of_the_values(values, percentile):
    """It is a value of the sample that the right share does not exceed, within its bounds."""
    found = quantile(sorted(values), percentile)
    assert sum(v <= found.value for v in values) >= percentile * len(values)
    assert sum(v < found.value for v in values) < percentile * len(values)
    assert found.low is None or (found.low in values and found.low <= found.value)
    assert found.high is None or (found.high in values and found.high >= found.value)


@given(st.integers(1, 10_000), st.integers(500, 999))
def test_the_nearest_rank_is_that_of_exact_fractions(size, thousandth):
    """Rounding of floating point moves no rank."""
    exact = Fraction(thousandth, 1000) * size
    assert nearest_rank(size, thousandth / 1000) == math.ceil(exact)


def test_a_percentile_of_nothing_is_none():
    """No value, no percentile."""
    assert quantile([], 0.5) is None


def test_the_interval_of_a_percentile_holds_the_truth_in_95_of_100_samples():
    """The true p90 of an exponential distribution is ln 10; the interval misses it seldom."""
    generator, misses = random.Random(7), 0
    for _ in range(400):
        found = quantile(sorted(generator.expovariate(1) for _ in range(150)), 0.9)
        misses += not found.low <= math.log(10) <= found.high
    assert 2 <= misses <= 30  # 20 are expected, fewer since ranks are whole


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17, 857), table I, the score method.
        pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148"),
        pytest.param(0, 20, 0.0, 0.1611, id="0 of 20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1 of 29"),
    ],
)
def test_wilson_intervals_are_those_of_the_published_table(part, whole, low, high):
    """Also seen from the other side: the failures' interval mirrors it."""
    found, mirrored = wilson(part, whole), wilson(whole - part, whole)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high))


def test_a_share_of_nothing_is_none():
    """No request, no share."""
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("confidence", "degrees", "t"),
    [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 4, 2.776),
        (0.95, 9, 2.262),
        (0.95, 30, 2.042),
        (0.98, 9, 2.821),
        (0.99, 5, 4.032),
    ],
)
def test_students_t_is_that_of_the_published_table(confidence, degrees, t):
    """Three decimals, as in every textbook's table."""
    assert student_t(confidence, degrees) == pytest.approx(t, abs=6e-4)


def test_students_t_nears_the_normal_distribution():
    """With many degrees of freedom nothing is left between them."""
    assert student_t(0.95, 5000) == pytest.approx(normal(0.95), rel=1e-3)


def test_the_error_of_a_rate_is_students():
    """Ten batches of 1 to 10: mean 5.5, standard deviation 3.0277, t(9) 2.262."""
    assert batch_error([float(i) for i in range(1, 11)]) == pytest.approx(
        2.262 * 3.0277 / math.sqrt(10), rel=1e-3
    )


def test_a_difference_of_shares_is_newcombes():
    """56 of 70 against 48 of 80: 0.0524 to 0.3339, table II of Newcombe 1998, method 10."""
    found = difference(wilson(48, 80), wilson(56, 70))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=6e-5),
        pytest.approx(0.3339, abs=6e-5),
    )


def test_a_difference_without_bounds_has_none():
    """What is not known of a side is not known of the difference."""
    assert difference(Estimate(1.0), Estimate(3.0, 2.0, 4.0)) == Estimate(2.0)


def test_the_mean_of_two_estimates_is_surer_by_the_square_root_of_two():
    """Independent and alike: arms of 1 become arms of 0.7071."""
    found = mean([Estimate(5.0, 4.0, 6.0), Estimate(7.0, 6.0, 8.0)])
    assert (found.low, found.high) == pytest.approx((6 - math.sqrt(0.5), 6 + math.sqrt(0.5)))


@given(st.lists(st.lists(st.integers(0, 50), max_size=40), min_size=1, max_size=30))
def test_pooled_values_keep_their_ranks(clusters):
    """Rank by rank they are the sorted heap."""
    heap, pooled = sorted(v for cluster in clusters for v in cluster), Pooled(clusters)
    assert (pooled.size, pooled.total) == (len(heap), sum(heap))
    assert [pooled.at(rank) for rank in range(1, len(heap) + 1)] == heap


def test_gaps_of_few_requests_have_no_percentile():
    """A thousand gaps of ten requests speak of ten requests."""
    gaps = list(range(100))
    assert Pooled([gaps] * 10).quantile(0.5) is None
    assert Pooled([gaps] * 11).quantile(0.5).value == 49


def test_a_percentile_of_gaps_hangs_on_how_many_requests_there_are():
    """Where all gaps of a request are alike, it needs as many requests as a time of requests."""
    generator = random.Random(1)
    alike = [[generator.randrange(10**6)] * 100 for _ in range(400)]
    assert Pooled(alike[:60]).quantile(0.95) is None
    assert Pooled(alike).quantile(0.95) is not None


def test_the_interval_of_gaps_holds_the_truth_though_requests_differ():
    """Each request has a pace of its own: taken for independent, 6,000 gaps would be too sure."""
    generator, misses = random.Random(3), 0
    for _ in range(200):
        paces = [generator.gauss(0, 1) for _ in range(60)]
        gaps = [[round(1e6 + 1e4 * (p + generator.gauss(0, 1))) for _ in range(50)] for p in paces]
        found = Pooled(gaps).quantile(0.5)
        misses += not found.low <= 1e6 <= found.high
    assert misses <= 22  # 10 are expected; with independent gaps there would be about 140
