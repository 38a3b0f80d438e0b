"""The endpoint's count of tokens, in every form that endpoints give it."""

import json

import pytest

from loadtests.client.usage import Usage, read_usage

VLLM = {
    "prompt_tokens": 300,
    "completion_tokens": 50,
    "total_tokens": 350,
    "prompt_tokens_details": {"cached_tokens": 16, "multimodal_tokens": {"image": 256, "video": 9}},
    "completion_tokens_details": {"reasoning_tokens": 40},
}
GATEWAY = VLLM | {
    "prompt_tokens_details": {"cached_tokens": 16, "image_tokens": 256, "video_tokens": 9}
}
OPENROUTER = GATEWAY | {"cost": 0.00015, "is_byok": False, "cost_details": {}}


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        pytest.param(VLLM, None, id="vLLM"),
        pytest.param(GATEWAY, None, id="gateway"),
        pytest.param(OPENROUTER, 0.00015, id="OpenRouter"),
    ],
)
def test_every_form_tells_the_same(told, cost):
    """Thoughts, cached tokens, pictures and videos are read wherever they stand."""
    expected = Usage(300, 50, reasoning=40, cached=16, image=256, video=9, cost_usd=cost)
    assert read_usage(json.dumps(told).encode()) == expected


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        "none",
        {"completion_tokens": "5", "prompt_tokens": True, "cost": "free"},
        {"completion_tokens": -1, "prompt_tokens": 1.5, "cost": True},
        {"prompt_tokens_details": None, "completion_tokens_details": 7},
        {"prompt_tokens_details": {"multimodal_tokens": [1], "cached_tokens": {}}},
    ],
)
def test_odd_usage_counts_as_not_told(told):
    """What the server did not tell as a number is not guessed."""
    assert read_usage(json.dumps(told).encode()) == Usage()


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(b'{"cost": 1e400}', id="infinite"),
        pytest.param(b'{"cost": %d}' % 10**400, id="cost of 400 digits"),
        pytest.param(b'{"cost": -0.5}', id="negative cost"),
        pytest.param(b'{"prompt_tokens": %d}' % (2**53 + 1), id="more than a record holds"),
        pytest.param(b'{"note": "\xff"}', id="no UTF-8"),
        pytest.param(b"[" * 20_000 + b"]" * 20_000, id="deep"),
    ],
)
def test_usage_that_is_beyond_reason_counts_as_not_told(told):
    """No server ends a run by what it says of itself."""
    assert read_usage(told) == Usage()


def test_the_largest_number_is_told():
    """Up to there numbers are exact everywhere."""
    told = read_usage(b'{"prompt_tokens": %d, "cost": %d}' % (2**53, 2**53))
    assert (told.prompt, told.cost_usd) == (2**53, 2.0**53)
