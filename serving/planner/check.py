"""How well a fit foretells steps that it has not seen: each is left out once."""

from collections.abc import Iterator, Sequence
from typing import Final

from serving.planner.fitting import Point, fitted
from serving.planner.work import Weights

ENOUGH: Final = 4  # steps, of which all but one are fitted


def deviations(
    points: Sequence[Point], expected: Weights, most_running: int
) -> Iterator[tuple[str, float, str]]:
    """Yield the largest deviation from a left-out step, as a share, of throughput and of p90.

    The first and the last load are not left out: what lies beyond the rest is no interpolation.
    """
    inner = sorted({point.users for point in points})[1:-1]
    if len(points) < ENOUGH or not inner:
        return
    throughput, answer = [], []
    for users in inner:
        rest = [point for point in points if point.users != users]
        other = fitted(rest, expected, most_running)
        for point in points:
            if point.users != users:
                continue
            found = other.at_users(point.work, users)
            throughput.append(abs(found.throughput_per_second / point.requests_per_second - 1))
            key = ("ttfat", "p90")
            if key in found.quantile and key in point.quantiles:
                answer.append(abs(found.quantile[key] / point.quantiles[key] - 1))
    formula = "largest |predicted / measured - 1|, each inner load left out of the fit once"
    yield "left_out_throughput_deviation", max(throughput), formula
    if answer:
        yield "left_out_ttfat_p90_deviation", max(answer), formula
