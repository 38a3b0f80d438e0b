"""What runs here, told at /version, so that a measurement can name what it measured."""

import hashlib
from dataclasses import dataclass
from typing import Self

import msgspec

from serving import __version__
from serving.catalogue import ModelEntry
from serving.options import Settings

HASH_CHARACTERS = 12
# Where it listens, and to whom, changes nothing in how fast it is.
ADDRESSES = {
    "engine": {"listen"},
    "gateway": {"host", "port", "admin_port", "control_socket", "api_keys", "image"},
}


@dataclass(frozen=True, slots=True)
class Build:
    """The parts of a deployment that do not change while it runs; None where nobody said."""

    serving: str
    model: str
    revision: str | None
    image: str | None
    profile: str
    gpus: int
    settings: str

    @classmethod
    def of(cls, settings: Settings, entry: ModelEntry) -> Self:
        """Read them from the settings."""
        engine = settings.engine
        return cls(
            serving=__version__,
            model=entry.id,
            revision=engine.revision,
            image=settings.gateway.image,
            profile=engine.profile,
            gpus=0 if engine.profile == "cpu" else engine.tensor_parallel_size,
            settings=settings_hash(settings),
        )

    def as_json(self, vllm: str | None) -> bytes:
        """Encode it with vLLM's version, under the name that vLLM itself gives it."""
        told = {"version": vllm} | msgspec.to_builtins(self)
        return msgspec.json.encode(told)


def settings_hash(settings: Settings) -> str:
    """Name the effective settings of engine and gateway, addresses left out, secrets masked."""
    told = settings.model_dump_json(include={"engine", "gateway"}, exclude=ADDRESSES)
    return hashlib.sha256(told.encode()).hexdigest()[:HASH_CHARACTERS]
