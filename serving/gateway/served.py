"""The model behind this gateway: its names, its limits, and the way to it."""

from dataclasses import dataclass
from typing import Final

from serving.catalogue import ModelEntry
from serving.gateway.body import Body
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import BadRequest, NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.media import MediaFetcher
from serving.gateway.relay import Relay
from serving.options import GatewaySettings

# Far more than any text has; what is longer than this by the whole context is not worth reading.
MAX_BYTES_PER_TOKEN: Final = 32


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What every endpoint needs to serve a request."""

    entry: ModelEntry
    limits: GatewaySettings
    watch: EngineWatch
    relay: Relay
    media: MediaFetcher
    created: int

    def check_name(self, name: str | None) -> None:
        """Accept the model's names, or none; raises NotFound naming what is served."""
        if name is not None and name not in self.entry.names:
            raise NotFound(
                f"The model '{name[:128]}' does not exist here; this server has '{self.entry.id}'.",
                code="model_not_found",
                param="model",
            )

    async def read_body(self, exchange: Exchange) -> Body:
        """Return a request's body; raises BadRequest for one that holds too much text."""
        body = Body(await exchange.read_body())
        self.check_text(len(body.skeleton))
        return body

    def check_text(self, size: int) -> None:
        """Refuse what cannot fit the context before reading, or counting, it takes seconds."""
        if self.watch.max_model_len is None:
            return
        limit = self.watch.max_model_len * MAX_BYTES_PER_TOKEN
        if size > limit:
            raise BadRequest(
                f"The request holds {size} bytes beside pictures and videos; the limit is {limit}, "
                f"{MAX_BYTES_PER_TOKEN} for each token of the context. Shorten the prompt.",
                code="context_length_exceeded",
            )
