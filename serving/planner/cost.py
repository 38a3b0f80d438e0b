"""What a plan costs, in three kinds that are never added or mixed.

Planned cost is what all GPUs of the plan cost, used or not. Allocated cost is that same sum,
divided among tokens and pictures by the work they are. List price is what the hosted model's
provider would have charged for the same usage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from serving.catalogue import CATALOGUE, THINKING, Price
from serving.planner.line import Line, Money
from serving.planner.model import Model
from serving.planner.sizing import Size
from serving.planner.traffic import HOURS

PER_TOKENS: Final = 1_000_000
DAYS_A_MONTH: Final = 365 / 12
PURPOSES: Final[Mapping[str, str]] = {
    "work": "requests_per_day * gpus_per_replica / saturated_requests_per_second / 3600",
    "headroom": "the same with planned_requests_per_second, less work",
    "off_peak": "replicas_needed * gpus_per_replica * hours with traffic, less work and headroom",
    "idle_hours": "replicas_needed * gpus_per_replica * idle hours",
    "spare_replicas": "spare_replicas * gpus_per_replica * 24",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """Shares of a request's GPU time that go to its parts; they add up to 1."""

    prompt: float
    pictures: float
    thinking: float
    answer: float


def parts(model: Model, size: Size) -> Parts:
    """Divide a request's time by measured work, with n running at peak and D output tokens.

    prompt: request + prompt_token · new text tokens; pictures: picture_token · picture tokens;
    output: D · (step/n + output_token), a thought's token as much as an answer's.
    """
    work, weights = size.traffic.work, model.weights
    pictures = weights.picture_token * work.picture_tokens
    prompt = weights.prefill_seconds(work) - pictures
    whole = weights.seconds_per_request(work, size.at_peak.running)
    output = whole - prompt - pictures
    thought = work.thinking_tokens / (work.thinking_tokens + work.answer_tokens)
    return Parts(
        prompt / whole, pictures / whole, output / whole * thought, output / whole * (1 - thought)
    )


def planned(size: Size, money: Money) -> Iterable[Line]:
    """Yield what the plan costs a day, line by line, and in all."""
    hours = size.gpu_hours()
    for purpose, formula in PURPOSES.items():
        yield Line(
            "planned_cost",
            f"{purpose}_{money.key}_per_day",
            money.of(hours[purpose] * 3600),
            f"{money.unit}/day",
            f"gpu_hours.{purpose} * 3600{money.formula} ({formula})",
        )
    total = money.of(size.gpus * HOURS * 3600)
    formula = f"gpus * 24 * 3600{money.formula}, the sum of the lines above"
    yield Line("planned_cost", f"{money.key}_per_day", total, f"{money.unit}/day", formula)
    yield Line(
        "planned_cost",
        f"{money.key}_per_month",
        total * DAYS_A_MONTH,
        f"{money.unit}/month",
        f"{money.key}_per_day * 365 / 12",
    )
    yield Line(
        "planned_cost",
        "utilisation",
        hours["work"] / (size.gpus * HOURS),
        "share",
        "gpu_hours.work / (gpus * 24)",
    )


def allocated(model: Model, size: Size, money: Money, good_share: float) -> Iterable[Line]:
    """Yield what each unit costs when all GPUs of the plan are shared out by work."""
    work = size.traffic.work
    request = size.gpus * HOURS * 3600 / size.traffic.requests_per_day
    share = parts(model, size)
    text = work.prompt_tokens - work.picture_tokens
    output = work.thinking_tokens + work.answer_tokens
    thought_and_answer = share.thinking + share.answer
    units = [
        ("million_prompt_tokens", share.prompt, text / PER_TOKENS, "text tokens, cached ones too"),
        ("million_thinking_tokens", share.thinking, work.thinking_tokens / PER_TOKENS, "thought"),
        ("million_answer_tokens", share.answer, work.answer_tokens / PER_TOKENS, "answer"),
        ("million_output_tokens", thought_and_answer, output / PER_TOKENS, "thought and answer"),
        (
            "million_answer_tokens_with_thought",
            thought_and_answer,
            work.answer_tokens / PER_TOKENS,
            "thought and answer, over the answer's tokens",
        ),
        ("picture", share.pictures, work.pictures, "its tokens and its share of the encoder"),
        ("request", 1.0, 1.0, "all"),
        ("good_request", 1.0, good_share, "all, over the share of good requests"),
    ]
    for name, part, count, of in units:
        yield Line(
            "allocated_cost",
            f"{money.key}_per_{name}",
            money.of(request * part / count) if count else None,
            f"{money.unit}/{name.replace('_', ' ')}",
            f"planned cost per request * work share {part:.4f} ({of}) / {count:.6g}",
        )


def priced_as(model: str) -> tuple[str, Price]:
    """Return whose public prices a model is compared with: its own, else the Thinking model's."""
    entry = CATALOGUE.get(model)
    found = entry if entry is not None and not entry.price.is_free else CATALOGUE[THINKING]
    return found.id, found.price


def offers(price: Price) -> Mapping[str, float]:
    """Return the public offers by name, each as a share of the list price."""
    return {"list": 1.0} | ({"discounted": 1 - price.discount} if price.discount else {})


def list_usd(size: Size, price: Price) -> float:
    """Return what a request is charged: prompt in full, also what is cached, and all output."""
    work = size.traffic.work
    tokens = work.prompt_tokens * price.prompt + work.output_tokens * price.completion
    return tokens / PER_TOKENS


def listed(size: Size, model: str) -> Iterable[Line]:
    """Yield what the same usage is charged at the public prices."""
    name, price = priced_as(model)
    each = list_usd(size, price)
    source = f"serving/catalogue.py, {name}"
    formula = (
        f"(prompt tokens * {price.prompt:g} + output tokens * {price.completion:g}) / 1,000,000"
    )
    for kind, factor in offers(price).items():
        said = formula if factor == 1 else f"{formula} * {factor:g}"
        for unit, value, of in (
            ("request", each * factor, said),
            (
                "day",
                each * factor * size.traffic.requests_per_day,
                f"{kind}_usd_per_request * requests_per_day",
            ),
        ):
            yield Line("list_price", f"{kind}_usd_per_{unit}", value, f"USD/{unit}", of, source)


def break_even(size: Size, model: str, gpu_hour_usd: float) -> Iterable[Line]:
    """Yield where own GPUs begin to cost less than each public price."""
    _, price = priced_as(model)
    cost = size.gpus * HOURS * gpu_hour_usd
    most = size.needed * size.capacity.rate_per_second * HOURS * 3600
    requests = size.traffic.requests_per_day
    for kind, factor in offers(price).items():
        each = list_usd(size, price) * factor
        lines = (
            ("requests_per_day", cost / each, "requests/day", f"planned cost a day / {kind} price"),
            (
                "share_of_capacity",
                cost / each / most,
                "share",
                "requests_per_day at break-even / (replicas_needed * planned rate * 86400);"
                " above 1 it is out of reach",
            ),
            (
                "usd_per_gpu_hour",
                requests * each / (size.gpus * HOURS),
                "USD/GPU-hour",
                f"{kind} price of a day's usage / GPU-hours a day",
            ),
            (
                "planned_over_price",
                cost / (requests * each),
                "ratio",
                f"planned cost a day / {kind} price of a day's usage",
            ),
        )
        for name, value, unit, formula in lines:
            yield Line("break_even", f"{kind}_{name}", value, unit, formula)
