"""How output tokens are shared between thought and answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.budget import SHARES, answer_reserve, thinking_budget


@pytest.mark.parametrize(
    ("max_tokens", "share", "budget"),
    [
        pytest.param(32_768, 0.8, 26_214, id="default"),
        pytest.param(32_768, 0.95, 31_129, id="max keeps 5 %"),
        pytest.param(2_000, 0.95, 1_744, id="at least 256 stay"),
        pytest.param(300, 0.8, 150, id="small limits are halved"),
        pytest.param(1, 0.8, 0, id="one token is an answer"),
        pytest.param(10_000, 0.1, 1_000, id="minimal"),
    ],
)
def test_budget_of_known_cases(max_tokens, share, budget):
    """Worked by hand."""
    assert thinking_budget(max_tokens, share) == budget


@given(st.integers(1, 81_920), st.sampled_from(sorted(SHARES.values())))
def test_thought_and_reserve_always_fit(max_tokens, share):
    """A thought over its budget leaves the reserve, and the reserve is at most half."""
    reserve = answer_reserve(max_tokens)
    assert 0 <= thinking_budget(max_tokens, share) <= max_tokens - reserve
    assert 1 <= reserve <= (max_tokens + 1) // 2
