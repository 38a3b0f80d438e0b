"""The model behind this gateway: its names, its limits, and the way to it."""

from dataclasses import dataclass

from serving.catalogue import ModelEntry
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import NotFound
from serving.gateway.media import MediaFetcher
from serving.gateway.relay import Relay
from serving.options import GatewaySettings


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
