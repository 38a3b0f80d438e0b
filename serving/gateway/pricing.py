"""What a request costs: the engine's count times the model's offered price."""

from typing import Final

from serving.catalogue import Price
from serving.gateway.answer import COST_DIGITS, Usage

PER_TOKENS: Final = 1e6


def cost_of(prompt_tokens: int, output_tokens: int, price: Price) -> float:
    """Return what so many tokens cost in USD."""
    usage = Usage(prompt_tokens, output_tokens)
    settle(usage, price)
    return usage.cost


def settle(usage: Usage, price: Price) -> None:
    """Write a request's cost in USD into its usage."""
    offered = (1 - price.discount) / PER_TOKENS
    usage.prompt_cost = round(usage.prompt_tokens * price.prompt * offered, COST_DIGITS)
    usage.completion_cost = round(usage.output * price.completion * offered, COST_DIGITS)
