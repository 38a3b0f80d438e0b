"""GET /models and /models/{id}: what is really served, under its own name."""

from typing import Any

import msgspec

from serving.gateway.exchange import Exchange
from serving.gateway.fields import Dialect
from serving.gateway.served import ServedModel


async def list_models(served: ServedModel, exchange: Exchange, dialect: Dialect) -> None:
    """Answer with the one model there is."""
    await exchange.answer(200, _encoded({"object": "list", "data": [_card(served)]}))


async def show_model(served: ServedModel, exchange: Exchange, name: str) -> None:
    """Answer with the model, asked for by any of its names; raises NotFound."""
    served.check_name(name)
    await exchange.answer(200, _encoded(_card(served)))


def _card(served: ServedModel) -> dict[str, Any]:
    card: dict[str, Any] = {
        "id": served.entry.id,
        "object": "model",
        "created": served.created,
        "owned_by": served.entry.id.partition("/")[0],
    }
    if served.watch.max_model_len is not None:
        card["max_model_len"] = served.watch.max_model_len
    return card


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)
