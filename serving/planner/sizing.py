"""How much one replica may be given, and how many replicas that makes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serving.failure import NotDone
from serving.planner.model import Model, Prediction
from serving.planner.objectives import Objective, Objectives
from serving.planner.traffic import HOURS, Traffic

# A rate so low that requests do not meet: what fails here fails alone.
ALONE: Final = 1e-3
HALVINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator decides."""

    gpus_per_replica: int
    utilisation: float  # the highest share of a replica's throughput that is planned with
    spare: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica holds: the planned rate, the saturated one, and what set the former."""

    rate_per_second: float
    saturated_per_second: float
    limited_by: str
    alone_share: float  # of the tightest limit, by a request that nobody disturbs


@dataclass(frozen=True, slots=True)
class Size:
    """Replicas for a traffic, and what its users see at peak."""

    capacity: Capacity
    needed: int
    terms: Terms
    traffic: Traffic
    at_peak: Prediction

    @property
    def gpus(self) -> int:
        """Return all GPUs, those of spare replicas included."""
        return (self.needed + self.terms.spare) * self.terms.gpus_per_replica

    def gpu_hours(self) -> Mapping[str, float]:
        """Return GPU-hours a day by what they are for; they add up to GPUs · 24."""
        gpus, capacity = self.terms.gpus_per_replica, self.capacity
        requests = self.traffic.requests_per_day * gpus / 3600
        work = requests / capacity.saturated_per_second
        planned = requests / capacity.rate_per_second
        return {
            "work": work,
            "headroom": planned - work,
            "off_peak": max(0.0, self.needed * gpus * self.traffic.busy_hours - planned),
            "idle_hours": self.needed * gpus * self.traffic.idle_hours,
            "spare_replicas": self.terms.spare * gpus * float(HOURS),
        }


def size(model: Model, traffic: Traffic, objectives: Objectives, terms: Terms) -> Size:
    """Return how many replicas hold the peak within the objectives; raises NotDone if none do."""
    capacity = _capacity(model, traffic, objectives, terms.utilisation)
    # The peak itself may be what the rate was found by: a rounding error is no replica.
    needed = max(1, math.ceil(traffic.peak_per_second / capacity.rate_per_second - 1e-9))
    at_peak = foreseen(model, traffic, traffic.peak_per_second / needed)
    return Size(capacity, needed, terms, traffic, at_peak)


def foreseen(model: Model, traffic: Traffic, rate: float) -> Prediction:
    """Predict `rate` on one replica; what is known of this traffic's thoughts replaces the curve's.

    Its percentiles where they are given, its budget in any case: no thought outlasts it.
    """
    found = model.at_rate(traffic.work, rate)
    quantile = dict(found.quantile)
    thought = traffic.thought
    for time, name in found.quantile:
        first = found.quantile.get(("ttft", name))
        if time != "ttfat" or first is None:
            continue
        if thought.is_spread:
            longest = thought.quantile(float(name[1:]) / 100) * found.mean["tpot"]
            quantile[time, name] = first + longest
        elif traffic.thinking_budget is not None and ("tpot", name) in quantile:
            longest = traffic.thinking_budget * quantile["tpot", name]
            quantile[time, name] = min(quantile[time, name], first + longest)
    return Prediction(found.throughput_per_second, found.running, found.mean, quantile)


def _capacity(
    model: Model, traffic: Traffic, objectives: Objectives, utilisation: float
) -> Capacity:
    saturated = model.throughput(traffic.work, model.most_running)
    highest = utilisation * saturated
    missed = _missed(foreseen(model, traffic, highest), objectives)
    alone = foreseen(model, traffic, ALONE * highest)
    alone_share = max(
        ((each.seconds(alone) or 0.0) / each.limit_seconds for each in objectives.judged),
        default=0.0,
    )
    if missed is None:
        return Capacity(highest, saturated, f"utilisation at most {utilisation:.0%}", alone_share)
    if impossible := _missed(alone, objectives):
        seconds = impossible.seconds(alone)
        raise NotDone(
            f"No number of replicas meets {impossible}: a request that is alone takes"
            f" {seconds:.3g} s.",
            "Raise the limit, shorten the thought (thinking_budget), or take a faster GPU.",
        )
    least, most = ALONE * highest, highest
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        failed = _missed(foreseen(model, traffic, middle), objectives)
        least, most = (middle, most) if failed is None else (least, middle)
        missed = failed or missed
    return Capacity(least, saturated, str(missed), alone_share)


def _missed(prediction: Prediction, objectives: Objectives) -> Objective | None:
    """Return the first objective that is not met."""
    for objective in objectives.judged:
        seconds = objective.seconds(prediction)
        if seconds is None:
            raise NotDone(
                f"{objective} cannot be planned for: the curve's steps tell p50, p90, p95 and p99,"
                " each where they had requests enough.",
                "Measure longer steps, or choose another percentile in --objectives.",
            )
        if seconds > objective.limit_seconds:
            return objective
    return None
