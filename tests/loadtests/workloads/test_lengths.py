"""Lengths are those of the published table."""

import random
import statistics

import pytest

from loadtests.workloads.lengths import CONVERSATION


def test_draws_have_the_published_quantiles():
    """Of many lengths, the published shares lie below the published quantiles."""
    rng = random.Random(1)
    drawn = sorted(CONVERSATION.draw(rng) for _ in range(20_000))
    for share, tokens in ((0.5, 582), (0.8, 1427), (0.95, 2345), (0.99, 3549)):
        found = sum(length <= tokens for length in drawn) / len(drawn)
        assert found == pytest.approx(share, abs=0.015)
    assert min(drawn) >= 16
    assert max(drawn) <= CONVERSATION.most == 4096


def test_their_mean_is_close_to_the_data_set_s():
    """The table's mean, 830 tokens, took no part in the quantiles."""
    rng = random.Random(2)
    drawn = [CONVERSATION.draw(rng) for _ in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(830, rel=0.1)
