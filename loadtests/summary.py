"""Records become a summary: counts, and percentiles from raw values; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.client import Outcome
from loadtests.records import Record

PERCENTILES = (0.50, 0.90, 0.95, 0.99)
CONFIDENCE = 0.99
ALL = "all"


@dataclass(frozen=True, slots=True)
class Spread:
    """How one time is spread over requests: seconds, `inf` where it never came.

    A percentile is None where the sample is too small to speak of it.
    """

    size: int
    least: float | None
    percentiles: tuple[float | None, ...]
    most: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """The counted requests of one kind."""

    kind: str
    requests: int
    failures: int
    right: int
    tokens_per_second: float
    first_token: Spread
    first_answer: Spread
    token_time: Spread


@dataclass(frozen=True, slots=True)
class Phase:
    """When the load began to count, when it ended, and what happened after; seconds."""

    warmup_seconds: float
    load_seconds: float
    in_flight_at_end: int = 0
    drain_seconds: float = 0.0
    client_lag_seconds: float = 0.0
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that a run showed."""

    rows: tuple[Row, ...]
    failures: dict[str, int]
    warmup_requests: int
    warmup_failures: int
    cut_answers: int
    without_usage: int
    repeated_pictures: int
    models: dict[str, int]
    phase: Phase

    @property
    def failed(self) -> bool:
        """Whether any request failed, or none was counted."""
        return bool(self.failures or self.warmup_failures or not self.rows)


def summarise(records: Iterable[Record], phase: Phase) -> Summary:
    """Count the requests sent after the warm-up; list the kinds and, last, all of them."""
    everything = sorted(records, key=lambda r: r.number)
    warmup = [r for r in everything if r.sent_seconds < phase.warmup_seconds]
    counted = [r for r in everything if r.sent_seconds >= phase.warmup_seconds]
    kinds = sorted({r.kind for r in counted})
    rows = [_row(kind, counted, everything, phase) for kind in [*kinds, ALL]] if counted else []
    pictures = Counter(r.picture for r in everything if r.picture is not None)
    return Summary(
        rows=tuple(rows),
        failures=dict(Counter(_failure(r) for r in counted if r.failed)),
        warmup_requests=len(warmup),
        warmup_failures=sum(r.failed for r in warmup),
        cut_answers=sum(not r.failed and r.finish_reason == "length" for r in counted),
        without_usage=sum(not r.failed and r.completion_tokens is None for r in counted),
        repeated_pictures=pictures.total() - len(pictures),
        models=dict(Counter(r.model for r in everything if r.model)),
        phase=phase,
    )


def _row(kind: str, counted: list[Record], everything: list[Record], phase: Phase) -> Row:
    chosen = [r for r in counted if kind in (ALL, r.kind)]
    window = (phase.warmup_seconds, phase.load_seconds)
    tokens = sum(tokens_within(r, window) for r in everything if kind in (ALL, r.kind))
    times = [time for r in chosen if (time := token_time(r)) is not None]
    return Row(
        kind=kind,
        requests=len(chosen),
        failures=sum(r.failed for r in chosen),
        right=sum(r.right is True for r in chosen),
        tokens_per_second=tokens / (window[1] - window[0]) if window[1] > window[0] else 0.0,
        first_token=spread([_or_never(r.first_token_seconds) for r in chosen]),
        first_answer=spread([_or_never(r.first_answer_seconds) for r in chosen]),
        token_time=spread(times),
    )


def spread(values: Sequence[float]) -> Spread:
    """Spread raw values: nearest-rank percentiles where there are enough values for them."""
    ranked, size = sorted(values), len(values)
    return Spread(
        size=size,
        least=ranked[0] if ranked else None,
        percentiles=tuple(
            ranked[math.ceil(p * size) - 1] if size >= smallest_sample(p) else None
            for p in PERCENTILES
        ),
        most=ranked[-1] if ranked else None,
    )


def smallest_sample(percentile: float) -> int:
    """Return from how many values on a percentile may be printed.

    So many that with 99 % confidence at least two of them lie above the true percentile.
    """
    size = 2
    while percentile**size + size * (1 - percentile) * percentile ** (size - 1) > 1 - CONFIDENCE:
        size += 1
    return size


def tokens_within(record: Record, window: tuple[float, float]) -> float:
    """Return a request's tokens that fall into a window of the run.

    The server's count is laid evenly between first and last token.
    """
    tokens, first, last = _token_span(record)
    if tokens == 0:
        return 0.0
    began, ended = record.sent_seconds + first, record.sent_seconds + last
    if ended == began:
        return float(tokens) if window[0] <= began < window[1] else 0.0
    overlap = min(ended, window[1]) - max(began, window[0])
    return tokens * max(0.0, overlap) / (ended - began)


def token_time(record: Record) -> float | None:
    """Return the seconds from token to token after the first, None where it cannot be told."""
    tokens, first, last = _token_span(record)
    return (last - first) / (tokens - 1) if tokens > 1 else None


def _token_span(record: Record) -> tuple[int, float, float]:
    """Return the number of tokens and when the first and the last came; 0 where not known."""
    first, last = record.first_token_seconds, record.last_token_seconds
    if first is None or last is None:
        return 0, 0.0, 0.0
    return record.completion_tokens or 0, first, last


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _failure(record: Record) -> str:
    """Name a failure by outcome, status and kind."""
    status = f" {record.status}" if record.outcome == Outcome.HTTP_ERROR else ""
    return f"{record.outcome}{status} ({record.kind})"
