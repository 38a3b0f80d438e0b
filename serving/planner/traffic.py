"""The traffic that a plan is made for, read from a YAML file and checked field by field."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from serving.failure import NotDone
from serving.planner.work import Work

HOURS: Final = 24
MOST_TOKENS: Final = 1_048_576
# Least and most of each field; a number of tokens may also be a list of shares.
TOP: Final[Mapping[str, tuple[float, float]]] = {
    "peak_requests_per_second": (1e-6, 1e6),
    "mean_to_peak": (0.001, 1.0),
    "hourly": (0, 1e9),
}
REQUEST: Final[Mapping[str, tuple[float, float]]] = {
    "text_tokens": (1, MOST_TOKENS),
    "cached_share": (0, 1),
    "pictures": (0, 64),
    "tokens_per_picture": (1, 65_536),
    "thinking_tokens": (0, MOST_TOKENS),
    "thinking_budget": (1, MOST_TOKENS),
    "answer_tokens": (1, MOST_TOKENS),
}
EXAMPLE: Final = "serving/planner/README.md has an example."


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens of a request: a mean, or values with the share of requests that have each."""

    parts: tuple[tuple[float, float], ...]  # (share, tokens), tokens ascending, shares add up to 1
    is_spread: bool = True  # else the mean alone is known

    @property
    def mean(self) -> float:
        """Return the mean."""
        return sum(share * tokens for share, tokens in self.parts)

    def quantile(self, share: float) -> float:
        """Return the least value that at least this share of requests does not exceed."""
        total = 0.0
        for part, tokens in self.parts:
            total += part
            if total >= share - 1e-9:
                return tokens
        return self.parts[-1][1]

    def capped(self, most: float) -> "Amount":
        """Return it under a budget.

        Where only the mean is known, lengths are taken to be spread exponentially around it, whose
        mean under a cap B is m·(1 - e^(-B/m)).
        """
        if self.is_spread:
            return Amount(tuple((share, min(tokens, most)) for share, tokens in self.parts))
        mean = self.mean
        return fixed(mean * -math.expm1(-most / mean)) if mean else self


def fixed(tokens: float) -> Amount:
    """Return an amount of which the mean alone is known."""
    return Amount(((1.0, tokens),), is_spread=False)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many requests come, and what one of them asks."""

    source: str
    peak_per_second: float
    mean_to_peak: float  # of the hours in which there is traffic
    idle_hours: float  # a day
    text_tokens: Amount
    cached_share: float
    pictures: float
    tokens_per_picture: float
    thinking: Amount  # before the budget
    thinking_budget: float | None
    answer_tokens: Amount
    least_to_peak: float | None = None  # of the quietest hour; None where no hours are known

    @property
    def thought(self) -> Amount:
        """Return the thinking tokens that the budget leaves."""
        if self.thinking_budget is None:
            return self.thinking
        return self.thinking.capped(self.thinking_budget)

    @property
    def work(self) -> Work:
        """Return what a request asks at a mean."""
        text, pictures = self.text_tokens.mean, self.pictures * self.tokens_per_picture
        return Work(
            prompt_tokens=text + pictures,
            cached_tokens=text * self.cached_share,
            picture_tokens=pictures,
            pictures=self.pictures,
            thinking_tokens=self.thought.mean,
            answer_tokens=self.answer_tokens.mean,
        )

    @property
    def busy_hours(self) -> float:
        """Return the hours a day in which requests come."""
        return HOURS - self.idle_hours

    @property
    def requests_per_day(self) -> float:
        """Return peak · mean/peak · 3600 · hours with traffic."""
        return self.peak_per_second * self.mean_to_peak * 3600 * self.busy_hours

    def halved_thought(self) -> "Traffic":
        """Return it with half the budget; without a budget, with thoughts half as long."""
        if self.thinking_budget is not None:
            return replace(self, thinking_budget=self.thinking_budget / 2)
        parts = tuple((share, tokens / 2) for share, tokens in self.thinking.parts)
        return replace(self, thinking=replace(self.thinking, parts=parts))


def read_traffic(path: Path, idle_hours: float | None) -> Traffic:
    """Read a file; raises NotDone, which names the field, its limit and what to write."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotDone(
            f"The traffic file {path} cannot be read: {error.strerror}.", EXAMPLE
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise NotDone(f"The traffic file {path}{line} is not valid YAML.", EXAMPLE) from None
    reader = _Reader(path.name)
    top = reader.mapping(document, (*TOP, "request"), "")
    request = reader.mapping(top.get("request"), REQUEST, "request")
    mean_to_peak, idle, least_to_peak = reader.day(top, idle_hours)
    return Traffic(
        source=str(path),
        peak_per_second=reader.number(top, "peak_requests_per_second", TOP),
        mean_to_peak=mean_to_peak,
        idle_hours=idle,
        text_tokens=reader.amount(request, "text_tokens"),
        cached_share=reader.number(request, "cached_share", REQUEST, 0.0),
        pictures=reader.number(request, "pictures", REQUEST, 0.0),
        tokens_per_picture=reader.picture(request),
        thinking=reader.thinking(request),
        thinking_budget=reader.optional(request, "thinking_budget"),
        answer_tokens=reader.amount(request, "answer_tokens"),
        least_to_peak=least_to_peak,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes fields out of a document, and says what is wrong with them."""

    name: str

    def refuse(self, field: str, reason: str, next_step: str) -> NoReturn:
        raise NotDone(f"{field} in {self.name} {reason}.", next_step)

    def mapping(self, value: Any, known: Iterable[str], field: str) -> dict[str, Any]:
        names = list(known)
        if not isinstance(value, dict):
            self.refuse(field or "The traffic", "holds no fields", f"Give {', '.join(names)}.")
        for name in value:
            if name not in names:
                near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
                said = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
                self.refuse(f"{field}.{name}".lstrip("."), "is no field", said)
        return dict(value)

    def number(
        self,
        values: Mapping[str, Any],
        name: str,
        limits: Mapping[str, tuple[float, float]],
        default: float | None = None,
    ) -> float:
        if name not in values:
            if default is None:
                self.refuse(name, "is missing", EXAMPLE)
            return default
        return self.within(name, values[name], limits[name])

    def within(self, name: str, value: Any, limits: tuple[float, float]) -> float:
        least, most = limits
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not least <= value <= most:
            self.refuse(
                name, f"is {value!r}, not a number from {least:g} to {most:g}", "Correct it."
            )
        return float(value)

    def optional(self, values: Mapping[str, Any], name: str) -> float | None:
        return self.number(values, name, REQUEST) if name in values else None

    def amount(self, values: Mapping[str, Any], name: str) -> Amount:
        value = values.get(name)
        if not isinstance(value, list):
            return fixed(self.number(values, name, REQUEST))
        parts = []
        for index, part in enumerate(value):
            field = f"{name}[{index}]"
            fields = self.mapping(part, ("share", "tokens"), field)
            share = self.within(f"{field}.share", fields.get("share"), (0, 1))
            tokens = self.within(f"{field}.tokens", fields.get("tokens"), REQUEST[name])
            parts.append((share, tokens))
        if not math.isclose(sum(share for share, _ in parts), 1, abs_tol=0.001):
            self.refuse(name, "has shares that do not add up to 1", "Correct them.")
        return Amount(tuple(sorted(parts, key=lambda part: part[1])))

    def picture(self, request: Mapping[str, Any]) -> float:
        if request.get("pictures") and "tokens_per_picture" not in request:
            self.refuse(
                "tokens_per_picture",
                "is missing, while there are pictures",
                "`serving engine --dry-run` prints the tokens of usual sizes.",
            )
        if "tokens_per_picture" not in request:
            return 0.0
        return self.amount(request, "tokens_per_picture").mean

    def thinking(self, request: Mapping[str, Any]) -> Amount:
        if "thinking_tokens" in request:
            return self.amount(request, "thinking_tokens")
        budget = self.optional(request, "thinking_budget")
        # Endless thoughts use their whole budget, whatever it is.
        return Amount(((1.0, 0.0 if budget is None else MOST_TOKENS),))

    def day(
        self, top: Mapping[str, Any], idle_hours: float | None
    ) -> tuple[float, float, float | None]:
        """Return mean/peak over the hours with traffic, the hours without, and least/peak."""
        if "hourly" not in top:
            idle = 0.0 if idle_hours is None else idle_hours
            return self.number(top, "mean_to_peak", TOP), idle, None
        for other, given in (("mean_to_peak", "mean_to_peak" in top), ("--idle-hours", idle_hours)):
            if given not in (False, None):
                self.refuse("hourly", f"says what {other} says, too", "Leave one of them out.")
        hours = top["hourly"]
        if not isinstance(hours, list) or len(hours) != HOURS:
            self.refuse("hourly", f"is no list of {HOURS} numbers", "Give one for each hour.")
        loads = [self.within(f"hourly[{i}]", load, TOP["hourly"]) for i, load in enumerate(hours)]
        busy = [load for load in loads if load > 0]
        if not busy:
            self.refuse("hourly", "has no hour with traffic", "Give at least one above 0.")
        mean = sum(busy) / len(busy)
        return mean / max(busy), float(HOURS - len(busy)), min(loads) / max(busy)
