"""Records become a summary: counts, spreads, rates and judgements; pure.

Every definition, with its formula, stands in README.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from loadtests.outcome import Outcome
from loadtests.records import Record
from loadtests.result import Certificate, Met, Quantile, Row, Share, Spread, StepResult, Summary
from loadtests.shapes import Rate, StepTiming, Users
from loadtests.statistics.conclusion import conclude
from loadtests.statistics.intervals import Estimate, Pooled, quantile, smallest_sample, wilson
from loadtests.statistics.judging import Sample, as_seconds, is_good, judge, step_met
from loadtests.statistics.measures import MICROSECONDS, TIMES, ordered
from loadtests.statistics.objectives import ALL, Objective, Objectives
from loadtests.statistics.work import Window, good_per_second, in_flight, mean_work, per_second

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def summarise(  # noqa: PLR0913, PLR0917 - the parts of a Summary, each in its order
    run: Mapping[str, Any],
    certificate: Certificate,
    objectives: Objectives,
    steps: Sequence[StepResult],
    records: Sequence[Record],
    partial: str | None = None,
) -> Summary:
    """Put a run's steps together with what they come to; INVALID ones decide nothing."""
    return Summary(
        run=dict(run),
        verdict=conclude(steps, certificate, objectives.objectives, partial),
        certificate=certificate,
        objectives=dict(objectives.content),
        steps=tuple(steps if certificate.valid else map(_undecided, steps)),
        models=dict(sorted(Counter(r.model for r in records if r.model).items())),
    )


def _undecided(step: StepResult) -> StepResult:
    """Return what a step measured without what that would decide."""
    judgements = tuple(
        msgspec.structs.replace(
            found, met=Met.UNDECIDED, sure=False, more_requests=0, more_seconds=None
        )
        for found in step.judgements
    )
    return msgspec.structs.replace(step, judgements=judgements, met=Met.UNDECIDED)


def summarise_step(
    timing: StepTiming, records: Sequence[Record], objectives: Objectives
) -> StepResult:
    """Summarise the requests of one step; those of other steps are left out.

    Counted are the requests due from the end of the settling time to the end of the step.
    """
    step, load = timing.step, timing.step.load
    played = sorted(
        (r for r in records if r.step == step.index), key=lambda r: (r.scheduled_seconds, r.number)
    )
    window = Window(timing.counted_from_seconds, timing.ended_seconds)
    counted = [r for r in played if window.began <= r.scheduled_seconds < window.ended]
    settling = [r for r in played if r.scheduled_seconds < window.began]
    sample, asked = Sample(counted, played, window), objectives.objectives
    judgements = tuple(judge(objective, asked, sample) for objective in asked)
    kinds = sorted({record.kind for record in counted})
    return StepResult(
        index=step.index,
        label=label(load),
        users=load.users if isinstance(load, Users) else None,
        rate_per_second=load.per_second if isinstance(load, Rate) else None,
        until_rate_per_second=load.until_per_second if isinstance(load, Rate) else None,
        arrivals=load.arrivals if isinstance(load, Rate) else None,
        began_seconds=timing.began_seconds,
        counted_from_seconds=timing.counted_from_seconds,
        ended_seconds=timing.ended_seconds,
        drain_seconds=timing.drain_seconds,
        in_flight_at_end=timing.in_flight_at_end,
        censored=sum(r.outcome is Outcome.CENSORED for r in played),
        settling_requests=len(settling),
        settling_failures=sum(not r.answered for r in settling),
        rows=(
            *(_row(kind, sample.of([kind]), asked) for kind in kinds),
            _row(ALL, sample, asked),
        ),
        judgements=judgements,
        met=step_met(asked, judgements),
    )


def label(load: Users | Rate) -> str:
    """Name a load, such as "8 users" or "2.5 requests/s"."""
    if isinstance(load, Users):
        return f"{load.users} user{'' if load.users == 1 else 's'}"
    until = "" if load.until_per_second is None else f" to {load.until_per_second:g}"
    return f"{load.per_second:g}{until} requests/s"


def spread(values: Sequence[float], *, rising: bool = True) -> Spread:
    """Spread values that are ordered from good to bad: rising times, or falling speeds.

    A percentile is what so many requests do at least as well as; it and its bounds are left out
    where there are too few values for it.
    """
    came = [value for value in values if value < float("inf")]
    ends = (values[0], values[-1]) if values else (None, None)
    return Spread(
        n=len(values),
        least=as_seconds(ends[0] if rising else ends[1]),
        mean=sum(came) / len(came) if came else None,
        most=as_seconds(ends[1] if rising else ends[0]),
        **{
            name: _quantile(quantile(values, share), rising=rising)
            for name, share in PERCENTILES.items()
            if len(values) >= smallest_sample(share)
        },
    )


def pooled_spread(pooled: Pooled) -> Spread:
    """Spread the gaps between the events of all requests, given in microseconds."""
    if not pooled.size:
        return Spread(n=0)
    return Spread(
        n=pooled.size,
        least=pooled.at(1) * MICROSECONDS,
        mean=pooled.total / pooled.size * MICROSECONDS,
        most=pooled.at(pooled.size) * MICROSECONDS,
        **{
            name: _quantile(pooled.quantile(share), MICROSECONDS)
            for name, share in PERCENTILES.items()
        },
    )


def _quantile(estimate: Estimate | None, unit: float = 1, *, rising: bool = True) -> Quantile:
    if estimate is None:
        return Quantile(value=None)
    bounds = [None if b is None else b * unit for b in (estimate.low, estimate.high)]
    low, high = bounds if rising else reversed(bounds)
    return Quantile(
        value=as_seconds(estimate.value * unit), low=as_seconds(low), high=as_seconds(high)
    )


def _row(kind: str, sample: Sample, objectives: Sequence[Objective]) -> Row:
    counted, played, window = sample.counted, sample.played, sample.window
    answered = [record for record in counted if record.answered]
    rates, errors = per_second(played, window)
    costs = [record.cost_usd for record in counted if record.cost_usd is not None]
    known = [record.right for record in answered if record.right is not None]
    good = sum(is_good(record, objectives) for record in counted)
    return Row(
        kind=kind,
        requests=len(counted),
        failures=dict(sorted(Counter(_failure(r) for r in counted if not r.answered).items())),
        right=share(sum(known), len(known)),
        answered=share(len(answered), len(counted)),
        good=share(good, len(counted)),
        good_per_second=good_per_second((r for r in played if is_good(r, objectives)), window),
        in_flight=in_flight(played, window),
        per_second=rates,
        per_second_error=errors,
        mean=mean_work(answered),
        truncated=sum(record.finish_reason == "length" for record in answered),
        without_usage=sum(record.completion_tokens is None for record in answered),
        cost_usd=sum(costs) if costs else None,
        itl=pooled_spread(Pooled([record.event_gaps_us for record in counted])),
        output_speed=spread(ordered(counted, "output_speed"), rising=False),
        **{name: spread(ordered(counted, name)) for name in TIMES},
    )


def share(part: int, whole: int) -> Share:
    """Return a share with its Wilson interval."""
    estimate = wilson(part, whole)
    if estimate is None:
        return Share(part=part, whole=whole)
    return Share(part=part, whole=whole, value=estimate.value, low=estimate.low, high=estimate.high)


def _failure(record: Record) -> str:
    """Name a failure by outcome and status."""
    status = f" {record.status}" if record.outcome is Outcome.HTTP_ERROR else ""
    return f"{record.outcome}{status}"
