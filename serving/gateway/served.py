"""The model behind this gateway: its names, its limits, and the way to it."""

from dataclasses import dataclass
from typing import Final

from serving.catalogue import ModelEntry
from serving.gateway.admission import Admission
from serving.gateway.body import Body
from serving.gateway.build import Build
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import Forbidden, NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.keys import KeyRing
from serving.gateway.ledger import Ledger
from serving.gateway.media import MediaFetcher
from serving.gateway.recent import Recent
from serving.gateway.relay import Relay
from serving.options import GatewaySettings

# Far more than any text has. A longer one holds up all others while it is read, and in the
# engine, which counts tokens of one prompt after the other.
MAX_BYTES_PER_TOKEN: Final = 32


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What every endpoint needs to serve a request."""

    entry: ModelEntry
    build: Build
    limits: GatewaySettings
    watch: EngineWatch
    admission: Admission
    relay: Relay
    media: MediaFetcher
    keys: KeyRing
    ledger: Ledger | None
    recent: Recent
    created: int

    def check_name(self, name: str | None) -> None:
        """Accept the model's names, or none; raises NotFound naming what is served."""
        if name is not None and name not in self.entry.names:
            raise NotFound(
                f"The model '{name[:128]}' does not exist here; this server has '{self.entry.id}'.",
                code="model_not_found",
                param="model",
            )

    def check_model(self, exchange: Exchange, name: str | None) -> None:
        """Accept one of the model's names, or none, from a key that may use it.

        Raises NotFound or Forbidden.
        """
        self.check_name(name)
        models = exchange.key.models
        if models and not set(models) & set(self.entry.names):
            raise Forbidden(
                f"This key may use {', '.join(models)}, not '{self.entry.id}'. Ask this server's "
                "operator for another.",
                param="model",
            )

    def require_ledger(self) -> Ledger:
        """Return the ledger; raises NotFound where this server keeps none."""
        if self.ledger is None:
            raise NotFound(
                "This server does not write down what is used: its setting store.usage is off. "
                "Ask its operator.",
                code="usage_not_kept",
            )
        return self.ledger

    async def read_body(self, exchange: Exchange) -> Body:
        """Return a request's body; raises BadRequest for more text than the context can hold."""
        context = self.watch.max_model_len
        limit = None if context is None else context * MAX_BYTES_PER_TOKEN
        return Body(await exchange.read_body(), limit)
