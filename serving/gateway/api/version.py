"""GET /version: vLLM's version as vLLM tells it, and what else a measurement must name."""

from serving.gateway.exchange import Exchange
from serving.gateway.served import ServedModel


async def show_version(served: ServedModel, exchange: Exchange) -> None:
    """Answer with versions, model, image, profile and the settings' hash."""
    await exchange.answer(200, served.build.as_json(served.watch.engine_version))
