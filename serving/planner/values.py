"""A plan as values of the chart: pods, the engine's settings, and what one more pod is started at.

Only keys of helm/qwen3-vl/values.yaml, and only what the plan decided; what is not written keeps
the chart's defaults.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import yaml

from serving import settings
from serving.engine import profile
from serving.failure import NotDone
from serving.planner.plan import Plan
from serving.planner.queueing import Crowd, crowd

# As the chart takes it: its objects are called RELEASE-qwen3-vl-POOL.
POOL_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?")
WIDTH: Final = 100
FIRST_ANSWER: Final = "ttfat"


def values_file(plan: Plan, pool: str) -> str:
    """Write the file, its origin in a comment; raises NotDone for a name no object may have."""
    if not POOL_NAME.fullmatch(pool):
        raise NotDone(
            f"--pool {pool} is no name of a pool: at most 20 small letters, digits and -.",
            "Give one such as thinking.",
        )
    paragraphs = (textwrap.wrap(text, WIDTH - 2) for text in _origin(plan))
    comment = "".join(f"# {line}\n" for lines in paragraphs for line in lines)
    return comment + yaml.safe_dump(values(plan, pool), sort_keys=False, width=WIDTH)


def values(plan: Plan, pool: str) -> dict[str, Any]:
    """Return what the plan decides, as the chart reads it."""
    least, most = _pods(plan)
    settings_of_pool = {"engine": _engine(plan)}
    if least == most:
        decided = {"replicas": most, "settings": settings_of_pool, "scaling": _targets(plan)}
    else:
        # Without Prometheus nobody knows the load: then as many as the peak needs.
        bounds = {"minReplicas": least, "maxReplicas": most, "fallbackReplicas": most}
        scaling = {"enabled": True, **bounds, **_targets(plan)}
        decided = {"settings": settings_of_pool, "scaling": scaling}
    return {"pools": {pool: decided}}


def _pods(plan: Plan) -> tuple[int, int]:
    """Return the fewest and most pods of a day, spare ones included."""
    size, traffic = plan.size, plan.order.traffic
    quietest = 1.0 if traffic.least_to_peak is None else traffic.least_to_peak
    rate = quietest * traffic.peak_per_second
    needed = max(1, math.ceil(rate / size.capacity.rate_per_second - 1e-9))
    return needed + size.terms.spare, size.needed + size.terms.spare


def _engine(plan: Plan) -> dict[str, Any]:
    """Return the engine's settings that the plan stands on and that are not the defaults."""
    gpu = _profile(plan)
    chosen = settings.load(None, {}, profile.load(gpu) if gpu else None).settings.engine
    decided = {
        "model": plan.basis.model_name,
        "tensor_parallel_size": plan.order.terms.gpus_per_replica,
        "max_num_seqs": _most_running(plan),
    }
    named = {"model": decided["model"]} | ({"profile": gpu} if gpu else {})
    return named | {name: v for name, v in decided.items() if getattr(chosen, name) != v}


def _profile(plan: Plan) -> str | None:
    """Return the profile of the GPU, which a load test's summary does not tell."""
    gpu = (plan.basis.gpu or "").removesuffix("-synthetic")
    return gpu if gpu in profile.names() else None


def _targets(plan: Plan) -> dict[str, Any]:
    """Return what a pod holds at its planned rate: more asks for another pod."""
    held, work = _held(plan), plan.order.traffic.work
    waiting = plan.size.capacity.rate_per_second * held.waiting_seconds
    tokens = held.running * (work.prompt_tokens + work.output_tokens)
    limit = _first_answer_limit(plan)
    return {
        "queuedRequests": max(1, math.ceil(waiting)),
        "tokensInFlight": math.ceil(tokens),
        **({} if limit is None else {"timeToFirstAnswerTokenSeconds": _plain(limit)}),
    }


def _held(plan: Plan) -> Crowd:
    work = plan.order.traffic.work
    model = plan.basis.model_for(work)
    rate = plan.size.capacity.rate_per_second
    return crowd(rate, lambda n: model.throughput(work, n), model.most_running)


def _most_running(plan: Plan) -> int:
    return plan.basis.model_for(plan.order.traffic.work).most_running


def _first_answer_limit(plan: Plan) -> float | None:
    """Return the tightest limit of that time."""
    limits = (
        each.limit_seconds for each in plan.order.objectives.judged if each.time == FIRST_ANSWER
    )
    return min(limits, default=None)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _origin(plan: Plan) -> Iterator[str]:
    """Yield the comment's paragraphs: which traffic and curve, and what was assumed."""
    traffic, size, capacity = plan.order.traffic, plan.size, plan.size.capacity
    yield (
        f"Written by `serving plan {traffic.source} --values`, for helm/qwen3-vl:"
        f" {traffic.peak_per_second:g} requests/s at peak need so many replicas: {size.needed},"
        f" and {size.terms.spare} spare; GPUs in all: {size.gpus}."
    )
    for label in plan.labels:
        yield f"{label}."
    for source in plan.basis.sources:
        yield f"From {source}."
    yield (
        f"A pod is planned with {capacity.rate_per_second:.3g} requests/s, limited by"
        f" {capacity.limited_by}; objectives: {plan.order.objectives.source}. The targets of"
        " `scaling` are what it holds then: more asks for one more pod."
    )
    yield "Assumed:"
    yield from (f"- {each}" for each in _assumed(plan))


def _assumed(plan: Plan) -> Iterator[str]:
    yield "Requests arrive at random, spread evenly over the pods."
    yield f"A pod runs at most {_most_running(plan)} requests at once, max_num_seqs; more wait."
    least, most = _pods(plan)
    if plan.order.traffic.least_to_peak is None:
        yield "The peak lasts all day: the traffic names no hours, so that `scaling` stays off."
    elif least == most:
        yield "The quietest hour needs as many pods as the peak, so that `scaling` stays off."
    if most > 1:
        yield "All pods reach the weights: a claim is ReadWriteMany (weights.claim.accessMode)."
    if _profile(plan) is None:
        yield "The curve does not tell its GPU: set settings.engine.profile to the one measured."
    if _first_answer_limit(plan) is None:
        yield f"No objective limits {FIRST_ANSWER}: the chart's default is that target."
