"""The two ways the API is spoken: OpenAI's under /v1 and OpenRouter's under /api/v1."""

from dataclasses import dataclass
from typing import Final

from serving.gateway import envelope
from serving.gateway.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the clients of one base path are spoken to."""

    name: str
    base: str
    envelope: Envelope
    ignores_unknown: bool
    comment: bytes

    @property
    def is_openrouter(self) -> bool:
        """Tell whether answers carry OpenRouter's additions: cost, details, provider."""
        return self.ignores_unknown


OPENAI: Final = Dialect("openai", "/v1", envelope.openai, False, b": keep-alive\n\n")
OPENROUTER: Final = Dialect(
    "openrouter", "/api/v1", envelope.openrouter, True, b": OPENROUTER PROCESSING\n\n"
)
DIALECTS: Final = (OPENAI, OPENROUTER)


def dialect_of(path: str) -> Dialect:
    """Return the dialect of a path; paths of neither are answered in OpenAI's."""
    return OPENROUTER if path.startswith(OPENROUTER.base + "/") else OPENAI
