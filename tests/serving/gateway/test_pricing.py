"""The cost of a request, worked out by hand."""

import pytest

from serving.catalogue import INSTRUCT, THINKING, Price, entry_for
from serving.gateway.answer import Usage
from serving.gateway.pricing import settle


def cost(usage: Usage, price: Price) -> tuple[float, float]:
    """Return the costs of prompt and output in USD."""
    settle(usage, price)
    return usage.prompt_cost, usage.completion_cost


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "expected"),
    [
        pytest.param(THINKING, 1_000_000, 1_000_000, (0.117, 1.365), id="35 % off the list"),
        pytest.param(THINKING, 1000, 500, (0.000117, 0.0006825), id="one request"),
        pytest.param(INSTRUCT, 1_000_000, 1_000_000, (0.08, 0.50), id="list prices"),
        pytest.param("tiny", 1000, 1000, (0.0, 0.0), id="the toy is free"),
    ],
)
def test_cost_of_known_cases(model, prompt, completion, expected):
    """Tokens times the offered price, in USD."""
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion)
    assert cost(usage, entry_for(model).price) == expected
    assert usage.cost == pytest.approx(sum(expected))


def test_cost_has_no_rounding_dust():
    """0.1 + 0.2 is no price, in the parts and in their sum."""
    assert cost(Usage(prompt_tokens=3, completion_tokens=0), Price(prompt=0.1)) == (3e-7, 0.0)
    usage = Usage(prompt_tokens=8, completion_tokens=183)
    assert cost(usage, entry_for(THINKING).price) == (9.36e-07, 0.000249795)
    assert usage.cost == 0.000250731


def test_an_answer_without_a_count_costs_its_prompt():
    """The engine may end before it has counted any output."""
    assert cost(Usage(prompt_tokens=10), Price(prompt=1, completion=1)) == (1e-5, 0.0)
