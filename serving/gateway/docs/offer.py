"""What this server offers, as far as its description depends on it."""

from dataclasses import dataclass
from typing import Self

from serving.catalogue import ModelEntry
from serving.options import GatewaySettings


@dataclass(frozen=True, slots=True)
class Offer:
    """The model, its limits, and whether a key is needed; equal offers are described alike."""

    model: str
    names: tuple[str, ...]
    max_output_tokens: int
    max_images: int
    max_videos: int
    max_body_bytes: int
    needs_key: bool
    with_media: tuple[tuple[str, float], ...]
    text_alone: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, entry: ModelEntry, limits: GatewaySettings, *, needs_key: bool = False) -> Self:
        """Return the offer of a model under these limits, to all or to holders of a key."""
        return cls(
            entry.id,
            entry.names,
            limits.max_output_tokens,
            limits.max_images,
            limits.max_videos,
            limits.max_body_bytes,
            needs_key,
            tuple(entry.sampling_defaults(media=True).items()),
            tuple(entry.sampling_defaults(media=False).items()),
        )

    def default(self, parameter: str) -> str:
        """Return the model's own value of a sampling parameter in words, "" where it has none."""
        media, text = (dict(each).get(parameter) for each in (self.with_media, self.text_alone))
        if media == text:
            return "" if media is None else f"{media:g}"
        return f"{media:g} with pictures, {text:g} for text alone"
