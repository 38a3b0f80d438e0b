"""A short examination of the endpoint: the whole one is `make score`."""

import asyncio
from typing import Any

import pytest

from serving.tiny_model.score import SAMPLINGS, score

QUESTIONS = 10


@pytest.fixture(scope="module")
def shares(endpoint: Any) -> dict[str, dict[str, float]]:
    """Return the share of right answers for each sampling and task."""
    result: dict[str, dict[str, float]] = asyncio.run(score(endpoint.url, None, QUESTIONS))[
        "shares"
    ]
    return result


@pytest.mark.parametrize("sampling", list(SAMPLINGS))
def test_the_endpoint_passes_a_short_exam(
    shares: dict[str, dict[str, float]], sampling: str
) -> None:
    """Ten questions a task: a wrong resize, order, position or split would fail many of them."""
    assert min(shares[sampling].values()) >= 0.8, shares[sampling]
    assert sum(shares[sampling].values()) / len(shares[sampling]) >= 0.93, shares[sampling]
