"""What changes a plan most: the same plan for traffic that is otherwise."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from serving.failure import NotDone
from serving.planner.allowed import Allowed
from serving.planner.basis import LABELS, Basis, range_problems
from serving.planner.line import Line, Money
from serving.planner.objectives import Objectives
from serving.planner.sizing import Terms, size
from serving.planner.traffic import HOURS, Traffic

WHAT: Final[Mapping[str, str]] = {
    "traffic_plus_50_percent": "peak_requests_per_second * 1.5",
    "pictures_double": "pictures * 2",
    "thinking_budget_halves": "thinking_budget / 2; without one, every thought half as long",
    "nothing_cached": "cached_share = 0",
}


def variations(traffic: Traffic) -> Mapping[str, Traffic]:
    """Return the traffics to compare with, but for those that are the same."""
    more = replace(traffic, peak_per_second=1.5 * traffic.peak_per_second)
    pictures = replace(traffic, pictures=2 * traffic.pictures)
    cold = replace(traffic, cached_share=0.0)
    found = dict(zip(WHAT, (more, pictures, traffic.halved_thought(), cold), strict=True))
    return {name: each for name, each in found.items() if each != traffic}


def sensitivity(
    basis: Basis, traffic: Traffic, objectives: Objectives, terms: Terms, money: Money
) -> Iterable[Line]:
    """Yield GPUs and cost for each variation, or why there is no plan for it."""
    for name, other in variations(traffic).items():
        try:
            found = size(basis.model_for(other.work), other, objectives, terms)
        except NotDone as refused:
            yield Line("sensitivity", f"{name}_gpus", None, "GPUs", f"{WHAT[name]}: {refused.what}")
            continue
        beyond = range_problems([point for _, point in basis.points], other.work)
        label = f"{LABELS[Allowed.EXTRAPOLATION]}: {'; '.join(beyond)}" if beyond else ""
        per_day = money.of(found.gpus * HOURS * 3600)
        lines = (
            ("gpus", found.gpus, "GPUs"),
            (f"{money.key}_per_day", per_day, f"{money.unit}/day"),
            (
                f"{money.key}_per_request",
                per_day / other.requests_per_day,
                f"{money.unit}/request",
            ),
        )
        for what, value, unit in lines:
            full = f"{name}_{what}"
            yield Line("sensitivity", full, value, unit, WHAT[name], label=label)
