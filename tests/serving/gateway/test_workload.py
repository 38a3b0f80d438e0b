"""What a request is expected to take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.answer import CompletionDetails, PromptDetails, Usage
from serving.gateway.workload import REMEMBERED_ANSWERS, Forecast, Lengths, Work


def usage(prompt: int, thought: int, answer: int, cached: int = 0) -> Usage:
    """Return an engine's count."""
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=thought + answer,
        prompt_tokens_details=PromptDetails(cached_tokens=cached),
        completion_tokens_details=CompletionDetails(reasoning_tokens=thought),
    )


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 12_000))
def test_the_expected_length_is_the_mean_under_the_limit(lengths, limit):
    """It is computed from sums, and is exactly the mean of what would have been cut."""
    seen = Lengths(lengths[0])
    for length in lengths[1:]:
        seen.add(length)
    last = lengths[-REMEMBERED_ANSWERS:]
    assert seen.expected(limit) == pytest.approx(sum(min(n, limit) for n in last) / len(last))
    assert seen.expected() == pytest.approx(sum(last) / len(last))


def test_a_forecast_follows_what_is_seen():
    """After many short answers a short one is expected; without a thought it is shorter still."""
    forecast = Forecast(thinks=False)
    assert (
        forecast.work(0, 100_000).output_tokens
        < Forecast(thinks=True).work(0, 100_000).output_tokens
    )
    for _ in range(REMEMBERED_ANSWERS):
        forecast.learn(usage(100, 30, 20), 1)
    assert forecast.work(0, 100_000).output_tokens == 50


def test_limits_bound_the_forecast():
    """Neither max_tokens nor the thinking budget can be exceeded by what is expected."""
    forecast = Forecast(thinks=True)
    for _ in range(REMEMBERED_ANSWERS):
        forecast.learn(usage(100, 5000, 200), 1)
    assert forecast.work(0, 32_768).output_tokens == 5200
    assert forecast.work(0, 300).output_tokens == 300
    assert forecast.work(0, 32_768, thinking_token_budget=1000).output_tokens == 1200
    assert forecast.work(0, 32_768, thinking_token_budget=0).output_tokens == 200


def test_several_sequences_are_so_many_times_the_work():
    """n = 4 costs four outputs, and the engine's count of all is shared out again."""
    forecast = Forecast(thinks=True)
    for _ in range(REMEMBERED_ANSWERS):
        forecast.learn(usage(100, 400, 80), 4)
    assert forecast.work(1000, 32_768, sequences=4) == Work(1000, 480, 4)


def test_cached_prompts_are_less_work():
    """Where prompts are found in the cache, the next is expected to be found there, too."""
    forecast = Forecast(thinks=True)
    for _ in range(10 * REMEMBERED_ANSWERS):
        forecast.learn(usage(1000, 1, 1, cached=900), 1)
    assert forecast.work(1000, 1).prompt_tokens == pytest.approx(100, abs=2)


def test_work_in_units():
    """An output token is one unit, a prompt's token a sixteenth of it."""
    assert Work(prompt_tokens=1600, output_tokens=50).units == 150
    assert Work(prompt_tokens=1600, output_tokens=50).tokens == 1650
