"""What the document says of a route beyond its types: the one form in which it is declared."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from serving.gateway.dialect import Dialect

Type = type[msgspec.Struct]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The types of a whole answer and of a stream's events, if it streams."""

    whole: Type
    event: Type | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it does, takes and answers in OpenAI's and in OpenRouter's dialect.

    One that OpenRouter's dialect alone has answers None in OpenAI's. `ignored` fields are taken
    without effect; a route without a `request` is a GET, whose `query` has these parameters, all
    of them required. Examples are requests that run as they stand, by what they show.
    """

    id: str
    summary: str
    openai: Answer | None
    openrouter: Answer
    request: Type | None = None
    ignored: Collection[str] = ()
    examples: Mapping[str, Json] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    speaks_anthropic: bool = False
    needs_admin: bool = False
    reads_usage: bool = False

    def answer(self, dialect: Dialect) -> Answer | None:
        """Return what it answers in a dialect, None where it is not served there."""
        return self.openrouter if dialect.is_openrouter else self.openai

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Return its answers, OpenAI's dialect first."""
        return (self.openrouter,) if self.openai is None else (self.openai, self.openrouter)

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return "GET" if self.request is None else "POST"
