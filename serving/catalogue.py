"""The models this product knows: their names, whether they think, and their cards' sampling."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

TINY = "tiny-qwen3-vl"
THINKING = "Qwen/Qwen3-VL-8B-Thinking"
INSTRUCT = "Qwen/Qwen3-VL-8B-Instruct"


@dataclass(frozen=True, slots=True)
class Price:
    """List prices in USD per million tokens, and the share that is taken off both."""

    prompt: float = 0.0
    completion: float = 0.0
    discount: float = 0.0

    @property
    def is_free(self) -> bool:
        """Tell whether no request costs anything."""
        return self.discount == 1 or not (self.prompt or self.completion)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One servable model; `sampling` holds with pictures, `text_sampling` changes it without."""

    id: str
    slug: str
    thinks: bool
    sampling: Mapping[str, float | int] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    text_sampling: Mapping[str, float | int] = field(default_factory=dict)
    reasoning_end_text: str = "</think>"
    price: Price = Price()
    # The commit of the repository that is served unless engine.revision names another.
    revision: str | None = None

    def sampling_defaults(self, *, media: bool) -> dict[str, float | int]:
        """Return what to send where the client says nothing."""
        return dict(self.sampling) if media else {**self.sampling, **self.text_sampling}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the model answers to, its own id first, none twice."""
        return tuple(dict.fromkeys((self.id, self.slug, *self.aliases)))


_THINKING = ModelEntry(
    id=THINKING,
    slug="qwen/qwen3-vl-8b-thinking",
    thinks=True,
    sampling=MappingProxyType(
        {
            "temperature": 1.0,
            "top_p": 0.95,
            "top_k": 20,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
        }
    ),
    text_sampling=MappingProxyType({"presence_penalty": 1.5}),
    # Written in the first person of a thought: the model reads it as its own.
    reasoning_end_text="\n\nThat is all the thinking I have room for; now the answer.\n</think>",
    price=Price(prompt=0.18, completion=2.10, discount=0.35),
    revision="92f3c4b4feadd3a016ef468d103bb5f58b2a2c6b",
)
_INSTRUCT = ModelEntry(
    id=INSTRUCT,
    slug="qwen/qwen3-vl-8b-instruct",
    thinks=False,
    sampling=MappingProxyType(
        {
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "repetition_penalty": 1.0,
            "presence_penalty": 1.5,
        }
    ),
    text_sampling=MappingProxyType(
        {"temperature": 1.0, "top_p": 1.0, "top_k": 40, "presence_penalty": 2.0}
    ),
    price=Price(prompt=0.08, completion=0.50),
    revision="0c351dd01ed87e9c1b53cbc748cba10e6187ff3b",
)
_TINY = ModelEntry(
    id=TINY,
    slug=TINY,
    thinks=True,
    sampling=MappingProxyType({"temperature": 0.0}),
    # Snippets written for the hosted models run unchanged against the toy.
    aliases=("tiny", _THINKING.slug, _INSTRUCT.slug, THINKING, INSTRUCT),
)


def _fp8(entry: ModelEntry) -> ModelEntry:
    """Return the entry of the same model in 8 bits, a repository of its own."""
    return replace(entry, id=f"{entry.id}-FP8", aliases=(entry.id,), revision=None)


CATALOGUE: Mapping[str, ModelEntry] = MappingProxyType(
    {
        TINY: _TINY,
        THINKING: _THINKING,
        f"{THINKING}-FP8": _fp8(_THINKING),
        INSTRUCT: _INSTRUCT,
        f"{INSTRUCT}-FP8": _fp8(_INSTRUCT),
    }
)


def entry_for(
    model: str, aliases: Iterable[str] = (), price: Mapping[str, float] = MappingProxyType({})
) -> ModelEntry:
    """Return the entry of "tiny", a Hugging Face id or a folder, with further names and prices.

    A folder is known by its name, as cloned or as the hub's cache spells it. A model that is not
    in the catalogue gets vLLM's own sampling, and thinks if its name says so.
    """
    entry = _TINY if model == "tiny" else _named(model)
    return replace(entry, aliases=(*entry.aliases, *aliases), price=replace(entry.price, **price))


def _named(model: str) -> ModelEntry:
    name = model
    if model.startswith(("/", ".", "~")):
        for part in reversed(model.split("/")):
            for known in CATALOGUE.values():
                if part.rpartition("--")[2] == known.id.rpartition("/")[2]:
                    return known
        name = model.rstrip("/").rpartition("/")[2] or model
    neutral = ModelEntry(id=name, slug=name.lower(), thinks="thinking" in name.lower())
    return CATALOGUE.get(name, neutral)
