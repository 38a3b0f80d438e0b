"""The whole plan as lines: inputs, capacity, GPUs, and each kind of cost in its own section."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from serving.planner import cost
from serving.planner.basis import Basis, proportions
from serving.planner.fitting import Point, deviations
from serving.planner.line import Line, Money
from serving.planner.model import TIMES, Model
from serving.planner.objectives import Objectives, objectives_of
from serving.planner.sensitivity import sensitivity
from serving.planner.sizing import Size, Terms, size
from serving.planner.traffic import Traffic
from serving.planner.work import Weights

SECTIONS: Final = (
    "inputs", "curve", "assumed", "model", "spread", "capacity", "gpu_hours", "planned_cost",
    "allocated_cost", "list_price", "break_even", "sensitivity",
)  # fmt: skip
WEIGHTS: Final = {
    "step": "s of a decode step, shared by all that run",
    "output_token": "s more in a step for each running sequence",
    "prompt_token": "s for each text token that is not cached",
    "picture_token": "s for each token of a picture, its encoding included",
    "request": "s for each request, whatever it asks",
}
CAPACITY: Final = "1 / (D * (step / n + output_token) + prefill) with n = most_running"
RUNNING: Final = "users of a closed loop in which a request would take as long"
# A weight of which the steps told less than half is the roofline's proportion rather than theirs.
MEASURED_FROM: Final = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    traffic: Traffic
    objectives: Objectives
    terms: Terms
    gpu_hour_usd: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer: lines by section, and what has to be said of all of them."""

    basis: Basis
    order: Order
    size: Size
    lines: tuple[Line, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return what stands on every line."""
        return self.basis.labels

    def section(self, name: str) -> list[Line]:
        """Return one section's lines."""
        return [line for line in self.lines if line.section == name]

    def value(self, section: str, name: str) -> float:
        """Return a number by its name."""
        [found] = [line.value for line in self.section(section) if line.name == name]
        assert isinstance(found, int | float)  # noqa: S101 — the caller's own name
        return found


def make_plan(basis: Basis, order: Order) -> Plan:
    """Plan; raises NotDone where no number of replicas meets the objectives."""
    model = basis.model_for(order.traffic.work)
    sized = size(model, order.traffic, order.objectives, order.terms)
    return Plan(basis, order, sized, tuple(_lines(basis, order, model, sized)))


def _lines(basis: Basis, order: Order, model: Model, sized: Size) -> Iterator[Line]:
    money = Money(order.gpu_hour_usd)
    good, how = good_share(basis, order.objectives, sized.at_peak.running)
    yield from _inputs(basis, order)
    for source, point in basis.points:
        yield from _point(source, point)
    yield from basis.assumed
    yield from _model(basis, model)
    yield from _times(basis, model)
    yield from _capacity(model, sized)
    yield Line("capacity", "good_share", good, "share of requests", how)
    yield from _gpu_hours(sized)
    yield from cost.planned(sized, money)
    yield from cost.allocated(model, sized, money, good)
    if order.gpu_hour_usd is not None:
        yield from cost.listed(sized, basis.model_name)
        yield from cost.break_even(sized, basis.model_name, order.gpu_hour_usd)
    yield from sensitivity(basis, order.traffic, order.objectives, order.terms, money)


def good_share(basis: Basis, objectives: Objectives, running: float) -> tuple[float, str]:
    """Return the share of good requests, and how it was found.

    That of the nearest step with at least as many users, if it was judged by the same objectives;
    else its share of answered requests.
    """
    if not basis.is_measured:
        return 1.0, "assumed: every request is answered in time"
    steps = sorted(basis.points, key=lambda step: step[1].users)
    source, nearest = next((step for step in steps if step[1].users >= running), steps[-1])
    try:
        same = objectives_of(basis.objectives[source], "").judged == objectives.judged
    except msgspec.ValidationError:
        same = False
    step = f"measured with {nearest.users} users"
    if same and nearest.good_share is not None:
        return nearest.good_share, f"{step}, by the same objectives"
    return nearest.answered_share, f"answered, {step} by other objectives"


def _inputs(basis: Basis, order: Order) -> Iterator[Line]:
    traffic, terms, source = order.traffic, order.terms, order.traffic.source
    given: Sequence[tuple[str, float | None, str]] = (
        ("peak_requests_per_second", traffic.peak_per_second, "requests/s"),
        ("mean_to_peak", traffic.mean_to_peak, "share"),
        ("idle_hours", traffic.idle_hours, "hours/day"),
        ("text_tokens", traffic.text_tokens.mean, "tokens/request"),
        ("cached_share", traffic.cached_share, "share of text tokens"),
        ("pictures", traffic.pictures, "pictures/request"),
        ("tokens_per_picture", traffic.tokens_per_picture, "tokens"),
        ("thinking_budget", traffic.thinking_budget, "tokens/request"),
        ("thinking_tokens", traffic.thought.mean, "tokens/request, within the budget"),
        ("answer_tokens", traffic.answer_tokens.mean, "tokens/request"),
    )
    for name, value, unit in given:
        yield Line("inputs", name, value, unit, "given", source)
    yield Line(
        "inputs",
        "requests_per_day",
        traffic.requests_per_day,
        "requests/day",
        "peak_requests_per_second * mean_to_peak * 3600 * (24 - idle_hours)",
    )
    for objective in order.objectives.judged:
        name = f"{objective.time}_{objective.percentile}_at_most"
        yield Line("inputs", name, objective.limit_seconds, "s", "given", order.objectives.source)
    for metric in order.objectives.unjudged:
        yield Line("inputs", metric, "not foreseen", "", "given", order.objectives.source)
    yield Line("inputs", "model", basis.model_name, "", "", basis.sources[0])
    yield Line("inputs", "gpus_per_replica", terms.gpus_per_replica, "GPUs", "given", "option")
    yield Line("inputs", "utilisation_at_most", terms.utilisation, "share", "given", "option")
    yield Line("inputs", "spare_replicas", terms.spare, "replicas", "given", "option")
    if order.gpu_hour_usd is not None:
        yield Line("inputs", "gpu_hour_usd", order.gpu_hour_usd, "USD/GPU-hour", "given", "option")


def _point(source: str, point: Point) -> Iterator[Line]:
    """Yield one measured step, as it went into the fit."""
    start = f"users_{point.users}"
    values = {
        "requests": (point.requests, "requests"),
        "requests_per_second": (point.requests_per_second, "requests/s"),
        "output_tokens": (point.work.output_tokens, "tokens/request"),
        "computed_text_tokens": (point.work.new_text_tokens, "tokens/request"),
        "picture_tokens": (point.work.picture_tokens, "tokens/request"),
        "ttft_mean": (point.means.get("ttft"), "s"),
        "ttfat_mean": (point.means.get("ttfat"), "s"),
        "ttfat_p90": (point.quantiles.get(("ttfat", "p90")), "s"),
        "tpot_mean": (point.means.get("tpot"), "s"),
    }
    for name, (value, unit) in values.items():
        yield Line("curve", f"{start}_{name}", value, unit, "measured", source)


def _model(basis: Basis, model: Model) -> Iterator[Line]:
    weights: Weights = model.weights
    for index, (name, unit) in enumerate(WEIGHTS.items()):
        share = model.measured[index]
        how = "formula in serving/planner/roofline.py"
        if basis.is_measured:
            how = f"least squares over the steps, which tell {share:.0%} of it"
            how += "" if share >= MEASURED_FROM else "; the rest is a roofline's proportion"
        yield Line("model", name, getattr(weights, name), unit, how, "; ".join(basis.sources))
    how = "max_num_seqs, or what the KV cache holds"
    if basis.is_measured:
        how = "--max-running, else the most users that were measured"
    yield Line("model", "most_running", model.most_running, "requests at once", how)
    if basis.is_measured:
        points = [point for _, point in basis.points]
        for name, value, formula in deviations(points, proportions(points), model.most_running):
            yield Line("model", name, value, "share", formula)


def _times(basis: Basis, model: Model) -> Iterator[Line]:
    """Yield what times follow from: parts of the first token's, and each percentile's spread."""
    how = "least squares over the steps" if basis.is_measured else "serving/planner/roofline.py"
    source, waiting = "; ".join(basis.sources), model.waiting
    for name, value, unit in (
        ("fixed", waiting.fixed, "s"),
        ("steps", waiting.steps, "times a decode step with n running"),
        ("prefills", waiting.prefills, "times n prefills"),
    ):
        yield Line("model", f"first_token_{name}", value, unit, how, source)
    for (time, name), spread in model.spreads.items():
        for part, value in (("at_one", spread.at_one), ("slope", spread.slope)):
            formula = f"{time} {name} = mean * at_one * n^slope: {how}"
            yield Line("spread", f"{time}_{name}_{part}", value, "ratio", formula, source)


def _capacity(model: Model, sized: Size) -> Iterator[Line]:
    capacity, peak = sized.capacity, sized.at_peak
    rows: Iterable[tuple[str, float | str | None, str, str]] = (
        ("saturated_requests_per_second", capacity.saturated_per_second, "requests/s", CAPACITY),
        (
            "planned_requests_per_second",
            capacity.rate_per_second,
            "requests/s",
            "highest rate of Poisson arrivals within objectives and utilisation",
        ),
        ("limited_by", capacity.limited_by, "", "what the planned rate ends at"),
        (
            "alone_share_of_limit",
            capacity.alone_share,
            "share",
            "what a request alone takes of the tightest objective; near 1 every replica is idle",
        ),
        (
            "replicas_needed",
            sized.needed,
            "replicas",
            "ceil(peak_requests_per_second / planned_requests_per_second)",
        ),
        ("replicas", sized.needed + sized.terms.spare, "replicas", "needed + spare"),
        ("gpus", sized.gpus, "GPUs", "replicas * gpus_per_replica"),
        ("running_at_peak", peak.running, "requests a replica", RUNNING),
    )
    for name, value, unit, formula in rows:
        yield Line("capacity", name, value, unit, formula)
    for time in TIMES:
        formula = "processor sharing with X(n), times the measured spread"
        yield Line("capacity", f"{time}_mean_at_peak", peak.mean[time], "s", formula)
        for name in ("p90", "p95"):
            value = peak.quantile.get((time, name))
            yield Line("capacity", f"{time}_{name}_at_peak", value, "s", formula)


def _gpu_hours(sized: Size) -> Iterator[Line]:
    for purpose, hours in sized.gpu_hours().items():
        yield Line("gpu_hours", purpose, hours, "GPU-hours/day", cost.PURPOSES[purpose])
    total = sum(sized.gpu_hours().values())
    yield Line(
        "gpu_hours", "total", total, "GPU-hours/day", "gpus * 24, the sum of the lines above"
    )
