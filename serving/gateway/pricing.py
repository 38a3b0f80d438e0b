"""What a request costs: the engine's count times the model's offered price."""

from typing import Final

from serving.catalogue import Price
from serving.gateway.answer import Usage

PER_TOKENS: Final = 1e6
# Far below a cent's millionth; keeps 0.1 + 0.2 out of answers.
DIGITS: Final = 12


def settle(usage: Usage, price: Price) -> None:
    """Write a request's cost in USD into its usage."""
    offered = (1 - price.discount) / PER_TOKENS
    usage.prompt_cost = round(usage.prompt_tokens * price.prompt * offered, DIGITS)
    usage.completion_cost = round(usage.output * price.completion * offered, DIGITS)
