"""Who or what used most: sums of days under one name each, the smaller ones put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date

    from serving.store.usage import DaySum

# What a line of several adds up, beside each day.
ADDED: Final = ("requests", "prompt_tokens", "output_tokens", "images", "videos", "cost")


@dataclass(slots=True)
class Line:
    """What was used under one name, or under `others` names together, in all and each day."""

    name: str
    daily: list[int]  # tokens of prompts and outputs
    others: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    videos: int = 0
    cost: float = 0.0  # USD

    @property
    def tokens(self) -> int:
        """Return the tokens of prompts and outputs."""
        return self.prompt_tokens + self.output_tokens

    def add(self, number: int, used: DaySum) -> None:
        """Count what was used on a day."""
        output_tokens = used.reasoning_tokens + used.answer_tokens
        self.daily[number] += used.prompt_tokens + output_tokens
        self.requests += used.ok + used.refused + used.cancelled + used.failed
        self.prompt_tokens += used.prompt_tokens
        self.output_tokens += output_tokens
        self.images += used.images
        self.videos += used.videos
        self.cost += used.cost


def ranked(
    sums: Iterable[DaySum], first: date, days: int, named: Callable[[DaySum], tuple[str, str]]
) -> list[Line]:
    """Return a line for each name, the one with most tokens first.

    `named` returns what sums are put together by, and what that is called: the latest name counts.
    Sums of days before `first` or after the last of `days` are not counted.
    """
    lines: dict[str, Line] = {}
    for used in sums:
        number = (used.day - first).days
        if not 0 <= number < days:
            continue
        identity, name = named(used)
        line = lines.get(identity)
        if line is None:
            line = lines[identity] = Line(name, [0] * days)
        line.name = name
        line.add(number, used)
    return [lines[each] for each in sorted(lines, key=lambda each: (-lines[each].tokens, each))]


def leading(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the first lines, and one more of all others together where there are any."""
    rest = lines[most:]
    if not rest:
        return list(lines)
    others = Line("", [sum(day) for day in zip(*(each.daily for each in rest), strict=True)])
    others.others = len(rest)
    for name in ADDED:
        setattr(others, name, sum(getattr(each, name) for each in rest))
    return [*lines[:most], others]
