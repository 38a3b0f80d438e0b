"""How does the endpoint hold mixed production traffic, as it comes without being sorted?

Expected: text keeps its times to first token until pictures fill the front end. Judged by all
objectives, over all kinds together. The shares are in `mixed.yaml`.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec
import yaml

from loadtests.failure import LoadError
from loadtests.prompt import Prompt
from loadtests.scenario import Scenario, Served
from loadtests.shapes import Steps, Users
from loadtests.workloads.documents import DOCUMENT
from loadtests.workloads.films import VIDEO
from loadtests.workloads.pictures import MANY, SINGLE, STRUCTURED
from loadtests.workloads.talk import CHAT, LONG_CONTEXT, MULTI_TURN
from loadtests.workloads.thinking import LONG
from loadtests.workloads.tools import LOOP
from loadtests.workloads.workload import Kind, fitting

SHARES: Final = Path(__file__).with_name("mixed.yaml")
WORKLOADS: Final = {
    "short-chat": CHAT,
    "long-thinking": LONG,
    "picture": SINGLE,
    "several-pictures": MANY,
    "video": VIDEO,
    "document": DOCUMENT,
    "tool-loop": LOOP,
    "json-schema": STRUCTURED,
    "multi-turn": MULTI_TURN,
    "long-context": LONG_CONTEXT,
}


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of shares."""

    shares: dict[str, float]


def read_shares(path: Path = SHARES) -> dict[Kind, float]:
    """Return each part of the mix with its share; raises LoadError."""
    try:
        mix = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Mix)
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise LoadError(f"{path} is no file of shares: {' '.join(str(error).split())}.") from None
    for name, share in mix.shares.items():
        if not 0 < share < float("inf"):
            raise LoadError(f"{path}: the share of {name} is {share:g}; give more than 0.")
    if not mix.shares:
        raise LoadError(f"{path} holds no shares: name at least one part.")
    known = parts()
    for name in mix.shares:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.0)[0]
            raise LoadError(f"{path}: there is no part {name!r}; the nearest is {near!r}.")
    return {known[name]: share for name, share in mix.shares.items()}


def prompts(rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Draw each request's part by its share; raises LoadError where nothing fits the context."""
    shares = read_shares()
    kept = fitting(list(shares), served)
    weights = [shares[kind] for kind in kept]
    # One seed for all parts: those that show pictures of a size share them. No other scenario has
    # it: what was sent by one before is not in the server's caches.
    seed = f"mixed {rng.getrandbits(64)}"
    started = [(kind, kind.start(random.Random(seed), served)) for kind in kept]  # noqa: S311

    def endless() -> Iterator[Prompt]:
        while True:
            kind, part = rng.choices(started, weights)[0]
            prompt = next(part)
            yield replace(prompt, kind=kind.name) if kind.rows else prompt

    return endless()


def kinds() -> tuple[str, ...]:
    """Return the rows of the mix."""
    return tuple(kind.name for kind in read_shares())


def parts() -> Mapping[str, Kind]:
    """Return what a share may name: workloads of one kind, and the kinds of the others."""
    return {
        f"{name}/{kind.name}" if len(workload.kinds) > 1 else name: kind
        for name, workload in WORKLOADS.items()
        for kind in workload.kinds
    }


SCENARIO: Final = Scenario(
    name="mixed",
    question="How many users does the endpoint hold with mixed production traffic?",
    prompts=prompts,
    shape=Steps(
        tuple(map(Users, (1, 2, 4, 8, 16, 32))), seconds=20, settle_seconds=3, drain_seconds=60
    ),
)
