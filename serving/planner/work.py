"""What a request asks of an engine, and what each part of it costs in a replica's time."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import mean


@dataclass(frozen=True, slots=True)
class Work:
    """One request, as a mean: tokens of the prompt, thought and answer, and pictures.

    `prompt_tokens` holds those of pictures and those that the prefix cache had.
    """

    prompt_tokens: float
    cached_tokens: float
    picture_tokens: float
    pictures: float
    thinking_tokens: float
    answer_tokens: float

    @property
    def output_tokens(self) -> float:
        """Return thought and answer together; at least one token, without which none is asked."""
        return max(1.0, self.thinking_tokens + self.answer_tokens)

    @property
    def new_text_tokens(self) -> float:
        """Return the text tokens that are computed: neither cached nor of a picture."""
        return max(0.0, self.prompt_tokens - self.picture_tokens - self.cached_tokens)


def mean_work(works: Sequence[Work]) -> Work:
    """Return the mean of each part."""
    names = (field.name for field in fields(Work))
    return Work(**{name: mean(getattr(work, name) for work in works) for name in names})


@dataclass(frozen=True, slots=True)
class Weights:
    """Seconds of a replica: a decode step, shared by all that run, and each unit of work."""

    step: float
    output_token: float
    prompt_token: float
    picture_token: float
    request: float

    def prefill_seconds(self, work: Work) -> float:
        """Return what a request costs before its first token."""
        return (
            self.request
            + self.prompt_token * work.new_text_tokens
            + self.picture_token * work.picture_tokens
        )

    def seconds_per_request(self, work: Work, running: float) -> float:
        """Return y(n) = D·(step/n + output_token) + prefill, with D output tokens and n running.

        A step takes step + n·output_token seconds and gives n tokens.
        """
        decode = work.output_tokens * (self.step / running + self.output_token)
        return decode + self.prefill_seconds(work)

    def step_seconds(self, running: float) -> float:
        """Return how long a decode step with `running` sequences takes."""
        return self.step + running * self.output_token

    def scaled(self, factor: float) -> "Weights":
        """Return the same proportions of an engine that takes `factor` times as long."""
        return Weights(*(factor * getattr(self, field.name) for field in fields(self)))


def features(work: Work, running: float) -> tuple[float, ...]:
    """Return what multiplies each of Weights, in their order, in y(n)."""
    return (
        work.output_tokens / running,
        work.output_tokens,
        work.new_text_tokens,
        work.picture_tokens,
        1.0,
    )
