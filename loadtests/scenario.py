"""What a load test is made of, as data."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtests.allowance import Prices
from loadtests.prompt import Prompt
from loadtests.shapes import Shape


@dataclass(frozen=True, slots=True)
class Served:
    """What the endpoint told of itself before the load; None where it does not tell."""

    model_asked: str
    model_served: str
    max_model_len: int | None = None
    vllm_version: str | None = None
    build: Mapping[str, Any] = field(default_factory=dict)  # image, revision, settings hash …
    prices: Prices | None = None
    round_trip_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question to an endpoint: which prompts are asked, and how the load is shaped.

    `prompts` yields them without end, the same for the same generator and endpoint; it leaves out
    what does not fit the endpoint's context and raises LoadError where nothing is left.
    """

    name: str
    question: str  # what the scenario answers, one sentence
    prompts: Callable[[random.Random, Served], Iterator[Prompt]]
    shape: Shape
    kinds: tuple[str, ...] = ()  # that its prompts name: the rows of the results
    seed: int = 20260701
