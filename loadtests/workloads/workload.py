"""A workload is kinds of requests that take turns; what does not fit the context is left out."""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Final

from loadtests.failure import LoadError
from loadtests.prompt import Prompt
from loadtests.scenario import Served

BYTES_PER_TOKEN: Final = 4
PIXELS_PER_TOKEN_SIDE: Final = 32  # Qwen3-VL's: a token sees 32 x 32 pixels
FRAME_TOKENS: Final = 64  # of the chat template, a question and the tools
TOY: Final = "tiny-"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests of one kind: `start` does the slow work, such as pictures, and then yields them.

    `prompt_tokens` is an estimate of the longest prompt, at four bytes a token and 32 x 32 pixels a
    token: enough to tell what cannot fit; the server's usage says what it really was. `rows` are
    the kinds that its prompts name, where they are several. `toy` tells whether the repository's
    tiny model knows such questions: to others it talks nonsense up to max_tokens.
    """

    name: str
    prompt_tokens: int
    max_tokens: int
    start: Callable[[random.Random, Served], Iterator[Prompt]]
    rows: tuple[str, ...] = ()
    toy: bool = True

    @property
    def tokens(self) -> int:
        """Return what prompt and answer can need of the context."""
        return FRAME_TOKENS + self.prompt_tokens + self.max_tokens


@dataclass(frozen=True, slots=True)
class Workload:
    """Kinds that take turns, from generators of one state: they ask the same questions."""

    kinds: tuple[Kind, ...]

    def prompts(self, rng: random.Random, served: Served) -> Iterator[Prompt]:
        """Yield requests without end; raises LoadError where no kind fits the context."""
        seed = rng.getrandbits(64)
        kinds = fitting(self.kinds, served)
        started = [kind.start(random.Random(seed), served) for kind in kinds]  # noqa: S311 - repeatable
        return (next(prompts) for prompts in cycle(started))

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the kinds that the prompts name."""
        return tuple(row for kind in self.kinds for row in kind.rows or (kind.name,))


def fitting(kinds: Sequence[Kind], served: Served) -> list[Kind]:
    """Return the kinds that can be asked and say of the others why not; raises LoadError."""
    reasons = [_obstacle(kind, served) for kind in kinds]
    kept = [kind for kind, reason in zip(kinds, reasons, strict=True) if reason is None]
    said = [reason for reason in reasons if reason is not None]
    for reason in said:
        say_left_out(reason)
    if not kept:
        raise LoadError(
            f"Nothing of the scenario can be asked: {said[0]}: take a model with a longer "
            f"context or another scenario."
        )
    return kept


def _obstacle(kind: Kind, served: Served) -> str | None:
    """Say why a kind cannot be asked."""
    if is_toy(served) and not kind.toy:
        return f"{kind.name} is nothing that {served.model_served} was taught"
    limit = served.max_model_len
    if limit is None or kind.tokens <= limit:
        return None
    return (
        f"{kind.name} needs about {kind.tokens:,} tokens, "
        f"the context of {served.model_served} holds {limit:,}"
    )


@cache
def say_left_out(reason: str) -> None:
    """Warn of a kind that is not asked for; once a process, however often prompts are drawn."""
    logger.warning("Left out: %s.", reason)


def is_toy(served: Served) -> bool:
    """Tell whether the repository's tiny model answers, which knows short questions alone.

    With more text than a few dozen tokens before a question it talks nonsense up to max_tokens.
    """
    return served.model_served.startswith(TOY)


def picture_tokens(width: int, height: int) -> int:
    """Return about how many tokens a picture takes."""
    return -(-width // PIXELS_PER_TOKEN_SIDE) * -(-height // PIXELS_PER_TOKEN_SIDE)
