"""Sets a client's report against what the engine really sent. Pure arithmetic, times in seconds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from deploy.benchmarks.load_clients.clients import Report
from deploy.benchmarks.load_clients.scripts import End

Played = Mapping[str, Any]


def quantile(values: Iterable[float], share: float) -> float:
    """Return a quantile of some values, linear between two neighbours."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def errors(reported: Sequence[float], true: Sequence[float]) -> list[float]:
    """Return each request's error, reported times and true ones both in the order of their size.

    The script's requests differ by steps larger than a client's noise, so that both orders are
    one. Where a client reports fewer requests, they are spread over the true ones.
    """
    told, truth = sorted(reported), sorted(true)
    last = max(1, len(told) - 1)
    if len(told) != len(truth):
        truth = [quantile(truth, index / last) for index in range(len(told))]
    return [abs(one - other) for one, other in zip(told, truth, strict=True)]


def whole(played: Iterable[Played]) -> list[Played]:
    """Return the requests that were played to their end."""
    return [one for one in played if one["end"] == End.WHOLE and not one["hung_up"]]


def accuracy(report: Report, played: Sequence[Played], streams: int) -> dict[str, float | None]:
    """Return the errors in milliseconds, the first wave of streams left out on both sides.

    It settles connections and caches, for which some clients have an option and others have not.
    """
    settled, truth = report.answered[streams:], whole(played)[streams:]
    first = [one["sent"][0] - one["received"] for one in truth]
    answer = [one["sent"][one["thoughts"]] - one["received"] for one in truth]
    total = [one["sent"][-1] - one["received"] for one in truth]
    told_answers = [one.first_answer for one in settled if one.first_answer is not None]
    return {
        **_both("first_token", errors([one.first_token for one in settled], first)),
        **_both("first_answer", errors(told_answers, answer) if told_answers else []),
        **_both("total", errors([one.total for one in settled], total)),
        "gap_p99_error_ms": gap_error_ms(report, played),
    }


def gap_error_ms(report: Report, played: Sequence[Played]) -> float | None:
    """Return how far the 99th percentile of the gaps between events is off."""
    if not report.gaps:
        return None
    sent = [one["sent"] for one in whole(played)]
    gaps = [later - one for times in sent for one, later in pairwise(times)]
    return 1e3 * abs(quantile(report.gaps, 0.99) - quantile(gaps, 0.99))


def events(played: Iterable[Played]) -> int:
    """Return the number of events sent."""
    return sum(len(one["sent"]) for one in played)


def _both(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """Return median and 99th percentile in milliseconds; None where nothing was told."""
    return {
        f"{name}_p50_error_ms": 1e3 * quantile(values, 0.5) if values else None,
        f"{name}_p99_error_ms": 1e3 * quantile(values, 0.99) if values else None,
    }
