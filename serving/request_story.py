"""The story of one request: where its time went, what it was, and what was unusual about it.

The part to look at first is found by a rule that neither noise nor a part's usual size misleads.
Each part is compared with its median over requests like this one: of the same model, with media
as this one or without, that went well in the week before it. Of the parts that took half as long
again as their median or more, and at least 20 ms more, it is the one with the largest difference:
that is what would be gained if it were as usual. A median, because a few slow requests do not
move it; the ratio, because the longest part always varies most in ms; the 20 ms, because a part
of nearly nothing is easily ten times its median.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final, Self

import msgspec

from serving.gateway.record import Record
from serving.gateway.timeline import Stage

MIN_RATIO: Final = 1.5
MIN_DIFFERENCE_SECONDS: Final = 0.02
# Of fewer requests a median says little.
LEAST_REQUESTS: Final = 20
# Of a median below it no ratio is told.
NOTHING_SECONDS: Final = 0.0005
BAR_CHARACTERS: Final = 20
NAME_CHARACTERS: Final = 15


@dataclass(frozen=True, slots=True)
class Part:
    """One stage of the request, in seconds; the median is None where too few are like it."""

    stage: Stage
    seconds: float
    share: float
    median_seconds: float | None

    @property
    def difference_seconds(self) -> float:
        """Return how much longer than usual it took, 0 where nobody knows."""
        return 0.0 if self.median_seconds is None else self.seconds - self.median_seconds

    @property
    def stands_out(self) -> bool:
        """Say whether it is above its median by enough to be looked at."""
        usual = self.median_seconds
        return (
            usual is not None
            and self.seconds >= MIN_RATIO * usual
            and self.difference_seconds >= MIN_DIFFERENCE_SECONDS
        )


@dataclass(frozen=True, slots=True)
class Story:
    """A request, its parts in their order, and with how many others they were compared."""

    record: Record
    parts: tuple[Part, ...]
    compared: int

    @classmethod
    def of(cls, record: Record, week: Sequence[Record]) -> Self:
        """Compare a request with those of the week before it."""
        alike = [other for other in week if _is_like(other, record)]
        whole = record.duration_seconds or sum(record.stages.values()) or 1.0
        parts = []
        for stage in Stage:
            seconds = record.stages.get(stage, 0.0)
            usual = None
            if len(alike) >= LEAST_REQUESTS:
                usual = median(other.stages.get(stage, 0.0) for other in alike)
            parts.append(Part(stage, seconds, seconds / whole, usual))
        return cls(record, tuple(parts), len(alike))

    @property
    def furthest(self) -> Part | None:
        """Return the part furthest above its median, None where none stands out."""
        outstanding = (part for part in self.parts if part.stands_out)
        return max(outstanding, key=lambda part: part.difference_seconds, default=None)

    def lines(self) -> Iterator[str]:
        """Tell it for people."""
        record = self.record
        yield f"{record.id}  {_end(record)}"
        began = datetime.fromtimestamp(record.time, UTC)
        yield f"{began:%Y-%m-%d %H:%M:%S} UTC, {record.model}, {record.route} ({record.dialect})"
        yield ""
        usual = f"{'median':>11}" if self.compared >= LEAST_REQUESTS else ""
        yield f"{'':<{NAME_CHARACTERS}}{'ms':>11}{usual}{'share':>8}"
        for part in self.parts:
            yield _line(part)
        yield _columns("in all", _ms(record.duration_seconds), " " * len(usual), 1.0)
        yield ""
        yield self.verdict()
        yield self._comparison()
        yield ""
        for name, said in _facts(record).items():
            yield f"{name:<{NAME_CHARACTERS}}{said}"

    def verdict(self) -> str:
        """Name the part furthest above the week's median, in one line."""
        if self.compared < LEAST_REQUESTS:
            return "No part can be named: there is too little to compare with."
        part = self.furthest
        if part is None:
            return (
                f"No part stands out: none took {MIN_RATIO} times the week's median and "
                f"{_ms(MIN_DIFFERENCE_SECONDS)} ms more."
            )
        usual, more = part.median_seconds or 0.0, part.difference_seconds
        ratio = f" ({part.seconds / usual:,.1f} times)" if usual >= NOTHING_SECONDS else ""
        return (
            f"Furthest above the week's median: {_name(part.stage)}, {_ms(more)} ms more than "
            f"{_ms(usual)} ms{ratio}."
        )

    def _comparison(self) -> str:
        media = "with" if _has_media(self.record) else "no"
        needed = f"; {LEAST_REQUESTS} are needed" if self.compared < LEAST_REQUESTS else ""
        return (
            f"Like it in the week before (same model, {media} media, went well): "
            f"{self.compared:,}{needed}."
        )

    def facts(self) -> dict[str, Any]:
        """Tell it for programs."""
        part = self.furthest
        request: dict[str, Any] = msgspec.to_builtins(self.record)
        request.pop("stages")
        return {
            "request": request,
            "parts": [
                {
                    "part": part.stage.value,
                    "ms": _rounded_ms(part.seconds),
                    "share": round(part.share, 4),
                    "median_ms": _rounded_ms(part.median_seconds),
                }
                for part in self.parts
            ],
            "compared_requests": self.compared,
            "furthest_above_median": None if part is None else part.stage.value,
            "verdict": self.verdict(),
        }


def _is_like(other: Record, record: Record) -> bool:
    return (
        other.id != record.id
        and other.model == record.model
        and other.verdict == "ok"
        and _has_media(other) == _has_media(record)
    )


def _has_media(record: Record) -> bool:
    return bool(record.images or record.videos)


def _end(record: Record) -> str:
    """Say how it ended, and why if not well."""
    said = [record.outcome]
    if record.error:
        said.append(record.error)
    if record.finish_reason:
        said.append(f"finish reason {record.finish_reason}")
    if record.truncated_in_thinking:
        said.append("cut off while thinking")
    if record.budget_hit:
        said.append("the thought's budget was used up")
    return ", ".join(said)


def _origin(record: Record) -> str:
    said = [f"key {record.key}"]
    if record.app:
        said.append(f"app {record.app}")
    if record.user:
        said.append(f"user {record.user}")
    return ", ".join(said)


def _line(part: Part) -> str:
    bar = "█" * round(part.share * BAR_CHARACTERS)
    usual = "" if part.median_seconds is None else f"{_ms(part.median_seconds):>11}"
    return f"{_columns(_name(part.stage), _ms(part.seconds), usual, part.share)}  {bar}".rstrip()


def _columns(name: str, ms: str, usual: str, share: float) -> str:
    return f"{name:<{NAME_CHARACTERS}}{ms:>11}{usual}{share:>8.1%}"


def _facts(record: Record) -> dict[str, str]:
    kinds = record.tokens
    parts = [f"{kinds[kind]:,} {kind}" for kind in ("cached", "image", "video") if kinds[kind]]
    of_them = f" (of them {', '.join(parts)})" if parts else ""
    said = f"prompt {record.prompt_tokens:,}{of_them}, "
    said += f"reasoning {record.reasoning_tokens:,}, answer {record.answer_tokens:,}"
    if record.estimated:
        said += ", estimated: the engine did not come to count"
    cached = record.cached_tokens / record.prompt_tokens if record.prompt_tokens else 0.0
    facts = {
        "from": _origin(record),
        "tokens": said,
        "speed": _speed(record),
        "cache hits": f"{cached:.0%} of the prompt",
        "asked for": _asked(record),
        "engine then": f"{record.running_sequences} sequences running, "
        f"{record.queued_requests} requests queued, KV cache {record.kv_cache_usage:.0%} full",
        "body": _body(record),
        "cost": f"{record.cost:.6f} USD",
    }
    return {name: said for name, said in facts.items() if said}


def _speed(record: Record) -> str:
    """Say how fast it thought and answered: a long part with its usual speed had more to say."""
    said = []
    for stage, tokens in (
        (Stage.THINKING, record.reasoning_tokens),
        (Stage.ANSWER, record.answer_tokens),
    ):
        seconds = record.stages.get(stage, 0.0)
        if tokens and seconds:
            said.append(f"{stage.value} {tokens / seconds:,.1f} tokens/s")
    return ", ".join(said)


def _asked(record: Record) -> str:
    said = [] if record.max_tokens is None else [f"at most {record.max_tokens:,} tokens"]
    if record.thinking_token_budget is not None:
        said.append(f"{record.thinking_token_budget:,} of them for the thought")
    if record.choices > 1:
        said.append(f"{record.choices} answers")
    said.append("as a stream" if record.streamed else "as a whole")
    return ", ".join(said)


def _body(record: Record) -> str:
    said = [f"{record.body_bytes:,} bytes"]
    if record.images or record.videos:
        media = f"{record.images} pictures, {record.videos} videos"
        said.append(f"{media}, {record.media_bytes:,} bytes decoded")
    return "; ".join(said)


def _name(stage: Stage) -> str:
    return stage.value.replace("_", " ")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f}"


def _rounded_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
