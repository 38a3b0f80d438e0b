"""Memory that all requests share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.errors import Overloaded
from serving.gateway.memory_budget import MemoryBudget


@pytest.mark.parametrize(("size", "fits"), [(60, True), (61, False)])
def test_the_last_byte_is_given_and_no_more(size, fits):
    """Both sides of the limit; what was refused is not taken."""
    budget = MemoryBudget(100)
    budget.share().take(40)
    share = budget.share()
    if fits:
        share.take(size)
    else:
        with pytest.raises(Overloaded) as caught:
            share.take(size)
        assert caught.value.retry_after_seconds
    assert budget.taken_bytes == (100 if fits else 40)


@given(st.lists(st.lists(st.integers(0, 50), max_size=5), max_size=10))
def test_all_of_it_comes_back(takes):
    """However it was taken, refused and given back, even twice: nothing is lost or made."""
    budget = MemoryBudget(100)
    shares = [budget.share() for _ in takes]
    for share, sizes in zip(shares, takes, strict=True):
        for size in sizes:
            try:
                share.take(size)
            except Overloaded:
                continue
        assert 0 <= budget.taken_bytes <= 100
    for share in shares * 2:
        share.give_back()
    assert budget.taken_bytes == 0
