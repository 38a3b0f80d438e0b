"""GET /api/v1/credits: what the asking key has spent, and what it may spend in all."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from serving.gateway.answer import COST_DIGITS
from serving.gateway.api.keys import spent_by
from serving.gateway.exchange import Exchange
from serving.gateway.served import ServedModel

# Clients take what is left for a number and stop at 0.
WITHOUT_BUDGET_USD: Final = 1_000_000.0


class Credits(msgspec.Struct):
    """A key's account in USD; the difference is what it may spend now."""

    total_credits: Annotated[
        float,
        Meta(
            description="total_usage and what is left of the key's budget; a key without one has "
            f"{WITHOUT_BUDGET_USD:,.0f} USD left"
        ),
    ]
    total_usage: Annotated[
        float, Meta(description="All that it has spent, for as long as sums are kept")
    ]


class CreditsAnswer(msgspec.Struct):
    """What the asking key has spent and may spend."""

    data: Credits


async def show_credits(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the asking key's account; raises NotFound or StoreUnavailable."""
    key = exchange.key
    spent = (await spent_by(served.require_ledger(), [key]))[key.id]
    left = WITHOUT_BUDGET_USD
    if key.budget_usd is not None:
        left = max(0.0, key.budget_usd - spent.within(key.budget_period))
    own = Credits(round(spent.total + left, COST_DIGITS), spent.total)
    await exchange.answer(200, msgspec.json.encode(CreditsAnswer(own)))
