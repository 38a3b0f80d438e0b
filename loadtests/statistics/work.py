"""How much was done within a part of the run: requests, tokens and pictures; pure.

A request's work is laid evenly between its first and its last token, so that of requests which
began before the counted window, or ended after it, exactly the part inside is counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from loadtests.records import Record
from loadtests.result import Work
from loadtests.statistics.intervals import batch_error
from loadtests.statistics.measures import answer_tokens

BATCHES = 10
Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the run, seconds since the load began; its end is not in it."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return max(self.ended - self.began, 0.0)

    def overlap(self, began: float, ended: float) -> float:
        """Return how many seconds of a span lie in it."""
        return max(0.0, min(ended, self.ended) - max(began, self.began))

    def batches(self) -> list["Window"]:
        """Cut it into equal parts."""
        part = self.seconds / BATCHES
        edges = [self.began + part * i for i in range(BATCHES)] + [self.ended]
        return [Window(left, right) for left, right in pairwise(edges)]


def part_within(record: Record, window: Window) -> float:
    """Return which part of a request's output was written within a window, from 0 to 1."""
    first, last = record.first_token_seconds, record.last_token_seconds
    if first is None or last is None:
        return 0.0
    began, ended = record.sent_seconds + first, record.sent_seconds + last
    if ended <= began:
        return 1.0 if window.began <= began < window.ended else 0.0
    return window.overlap(began, ended) / (ended - began)


def per_second(records: Iterable[Record], window: Window) -> tuple[Work, Work | None]:
    """Return work per second, and half the width of each figure's 95 % interval.

    The interval is that of the means of ten batches of the window.
    """
    if not window.seconds:
        return Work(**dict.fromkeys(Work.__struct_fields__, 0.0)), None
    batches = window.batches()
    sums = [[0.0] * len(Work.__struct_fields__) for _ in batches]
    for record in records:
        if part_within(record, window):
            _lay(record, batches, sums)
    rates = [[amount * BATCHES / window.seconds for amount in batch] for batch in sums]
    columns = list(zip(*rates, strict=True))
    return _work(map(fmean, columns)), _work(map(batch_error, columns))


def good_per_second(good: Iterable[Record], window: Window) -> float:
    """Return how many of these requests were done per second of a window."""
    return sum(part_within(r, window) for r in good) / window.seconds if window.seconds else 0.0


def mean_work(answered: Sequence[Record]) -> Work | None:
    """Return what an answered request whose usage is known comes to; None for none of them."""
    known = [_amounts(r) for r in answered if r.completion_tokens is not None]
    return _work(map(fmean, zip(*known, strict=True))) if known else None


def in_flight(records: Iterable[Record], window: Window) -> float:
    """Return how many requests were on their way at once, as a mean over a window."""
    spans = (window.overlap(r.sent_seconds, r.sent_seconds + r.done_seconds) for r in records)
    return sum(spans) / window.seconds if window.seconds else 0.0


def _lay(record: Record, batches: Sequence[Window], sums: list[list[float]]) -> None:
    amounts = _amounts(record)
    for batch, total in zip(batches, sums, strict=True):
        part = part_within(record, batch)
        if part:
            total[:] = [old + part * new for old, new in zip(total, amounts, strict=True)]


def _amounts(record: Record) -> Vector:
    """Return a record's work, in the order of Work's fields."""
    return (
        float(record.answered),
        float(record.prompt_tokens or 0),
        float(record.cached_tokens or 0),
        float(record.image_tokens or 0),
        float(record.video_tokens or 0),
        float(record.picture_count),
        float(record.reasoning_tokens or 0),
        float(answer_tokens(record)),
    )


def _work(amounts: Iterable[float]) -> Work:
    return Work(**dict(zip(Work.__struct_fields__, amounts, strict=True)))
