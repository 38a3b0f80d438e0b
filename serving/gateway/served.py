"""The model behind this gateway: its names, its limits, and the way to it."""

from dataclasses import dataclass

from serving.catalogue import ModelEntry
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.errors import NotFound
from serving.gateway.fields import Fields, encoded, read_field
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

    def rest_tokens(self, max_prompt_tokens: int) -> int | None:
        """Return what the context surely leaves for output, None before the engine said."""
        if self.watch.max_model_len is None:
            return None
        return self.watch.max_model_len - max_prompt_tokens

    def complete(self, fields: Fields, *, media: bool) -> Fields:
        """Return fields with the served model's id and its sampling where the client set none."""
        defaults = self.entry.sampling_defaults(media=media)
        return {
            **{name: encoded(value) for name, value in defaults.items()},
            **fields,
            "model": encoded(self.entry.id),
        }

    def check_model(self, fields: Fields) -> None:
        """Check a request's model field."""
        self.check_name(read_field(fields, "model", str))
