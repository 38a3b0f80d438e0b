"""The sampling parameters of a request: their types, their limits, and which reach the engine."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

# The engine keeps these numbers in 32 bits.
MAX_INT: Final = 2**31 - 1
MAX_CHOICES: Final = 8
MAX_STOPS: Final = 16
MAX_BAD_WORDS: Final = 256
# Fields of vLLM's that nothing depends on without beam search and with a byte-level tokenizer.
UNUSED: Final = frozenset(["length_penalty", "spaces_between_special_tokens"])
# vLLM refuses 0, which OpenAI's clients send for "the likeliest token only".
MIN_TOP_P: Final = 1e-6

Penalty = Annotated[float, Meta(ge=-2, le=2)]
ShortText = Annotated[str, Meta(min_length=1, max_length=256)]
TokenId = Annotated[int, Meta(ge=0, le=MAX_INT)]


class RepetitionDetection(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """When an output that repeats itself is ended, by vLLM's fields."""

    max_pattern_size: Annotated[
        int, Meta(ge=0, le=1024, description="Longest repeated pattern in tokens; 0: off")
    ] = 0
    min_pattern_size: Annotated[
        int, Meta(ge=0, le=1024, description="Shortest repeated pattern in tokens; 0 is 1")
    ] = 0
    min_count: Annotated[
        int, Meta(ge=0, le=MAX_INT, description="Repetitions that end the output; at least 2")
    ] = 0


class Sampling(msgspec.Struct, kw_only=True):
    """Fields that all generating endpoints share; null counts as not sent."""

    temperature: (
        Annotated[float, Meta(ge=0, le=2, description="0 takes the likeliest token")] | None
    ) = None
    top_p: (
        Annotated[float, Meta(ge=0, le=1, description="Share of probability that is sampled from")]
        | None
    ) = None
    top_k: (
        Annotated[
            int,
            Meta(ge=-1, le=MAX_INT, description="Likeliest tokens sampled from; 0 and -1: all"),
        ]
        | None
    ) = None
    min_p: (
        Annotated[float, Meta(ge=0, le=1, description="Least probability, relative to the best")]
        | None
    ) = None
    frequency_penalty: (
        Annotated[Penalty, Meta(description="Against tokens by how often they came")] | None
    ) = None
    presence_penalty: Annotated[Penalty, Meta(description="Against tokens that came")] | None = None
    repetition_penalty: (
        Annotated[
            float, Meta(gt=0, le=2, description="Against tokens of prompt and output; 1: off")
        ]
        | None
    ) = None
    logit_bias: (
        Annotated[
            dict[
                Annotated[str, Meta(pattern="^[0-9]{1,10}$")],
                Annotated[float, Meta(ge=-100, le=100)],
            ],
            Meta(max_length=1024, description="Added to a token's logit, by token id"),
        ]
        | None
    ) = None
    seed: (
        Annotated[
            int, Meta(ge=-(2**63), le=2**63 - 1, description="Same seed, same answer; -1: none")
        ]
        | None
    ) = None
    n: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_CHOICES,
                description="Answers; limits count each, and several need a temperature above 0",
            ),
        ]
        | None
    ) = None
    stop: (
        Annotated[
            ShortText | Annotated[list[ShortText], Meta(max_length=MAX_STOPS)],
            Meta(description="Texts that end the answer and are left out of it"),
        ]
        | None
    ) = None
    min_tokens: (
        Annotated[
            int, Meta(ge=0, le=MAX_INT, description="Least output tokens; at most max_tokens")
        ]
        | None
    ) = None
    stop_token_ids: (
        Annotated[
            list[TokenId],
            Meta(max_length=MAX_STOPS, description="Tokens that end the output, the thought too"),
        ]
        | None
    ) = None
    include_stop_str_in_output: (
        Annotated[bool, Meta(description="Keep the stop text at the end of the answer")] | None
    ) = None
    skip_special_tokens: (
        Annotated[bool, Meta(description="false shows special tokens as text")] | None
    ) = None
    allowed_token_ids: (
        Annotated[
            list[TokenId], Meta(min_length=1, description="The only tokens that may be generated")
        ]
        | None
    ) = None
    bad_words: (
        Annotated[
            list[ShortText],
            Meta(max_length=MAX_BAD_WORDS, description="Texts that may not be generated"),
        ]
        | None
    ) = None
    repetition_detection: RepetitionDetection | None = None
    return_token_ids: (
        Annotated[bool, Meta(description="Add the ids of the generated tokens to each choice")]
        | None
    ) = None
    return_tokens_as_token_ids: (
        Annotated[bool, Meta(description="Name tokens in logprobs as token_id:N")] | None
    ) = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Return the stop texts, however many were sent."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def choices(self) -> int:
        """Return how many answers are asked for."""
        return self.n or 1

    def engine_fields(self) -> dict[str, Any]:
        """Return what was sent, as the engine takes it."""
        sent = {name: getattr(self, name) for name in Sampling.__struct_fields__}
        fields = {name: value for name, value in sent.items() if value is not None}
        if self.top_p is not None:
            fields["top_p"] = max(self.top_p, MIN_TOP_P)
        return fields
