"""Whether a step meets its objectives; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records import Record
from loadtests.result import Judgement, Met, Seconds
from loadtests.statistics.intervals import Estimate, difference, quantile, smallest_sample, wilson
from loadtests.statistics.measures import measured, ordered, output_speed
from loadtests.statistics.objectives import Form, Objective
from loadtests.statistics.work import Window, per_second

FEWEST = smallest_sample(0.5)  # below it nothing is judged by its point estimate


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an objective is judged by: an estimate, from how many of how many needed requests."""

    estimate: Estimate | None
    found: int
    needed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A step's counted requests, all requests of the step, and the counted window."""

    counted: Sequence[Record]
    played: Sequence[Record]
    window: Window

    def of(self, kinds: Sequence[str]) -> "Sample":
        """Return the part of these kinds; no kinds are all of them."""
        if not kinds:
            return self
        counted = [record for record in self.counted if record.kind in kinds]
        played = [record for record in self.played if record.kind in kinds]
        return Sample(counted, played, self.window)


def is_good(record: Record, objectives: Sequence[Objective]) -> bool:
    """Tell whether a request was answered and met every limit that a request alone can meet."""
    return record.answered and all(_meets(record, objective) for objective in objectives)


def _meets(record: Record, objective: Objective) -> bool:
    """Tell whether a request met a limit; one that cannot be told of it is no fault of its own."""
    if not objective.of_request or (objective.kinds and record.kind not in objective.kinds):
        return True
    if objective.form is Form.SPEED:
        speed = output_speed(record)
        return speed is None or speed >= objective.limit
    seconds = measured(record, objective.metric)
    return seconds is None or seconds <= objective.limit


def judge(objective: Objective, objectives: Sequence[Objective], sample: Sample) -> Judgement:
    """Judge one objective over one step.

    An interval on one side of the limit decides for sure. Otherwise the point estimate decides,
    where the sample is large enough for it.
    """
    sample = sample.of(objective.kinds)
    evidence = _evidence(objective, objectives, sample)
    estimate, missing = evidence.estimate, max(evidence.needed - evidence.found, 0)
    sure = _side(objective, estimate)
    enough = estimate is not None and not missing
    met = Met.UNDECIDED
    if estimate is not None and (enough or sure is not None):
        holds = _holds(objective, estimate.value) if sure is None else sure
        met = Met.MET if holds else Met.MISSED
    undecided = met is Met.UNDECIDED
    pace = evidence.found / sample.window.seconds if sample.window.seconds else 0.0
    return Judgement(
        objective=objective.text,
        measured=as_seconds(estimate.value) if estimate and enough else None,
        limit=objective.limit,
        met=met,
        sure=sure is not None,
        kind=objective.kind,
        more_requests=missing if undecided else 0,
        more_seconds=missing / pace if undecided and pace else None,
    )


def as_seconds(value: float | None) -> Seconds:
    """Write infinity as "never", as summaries do."""
    return "never" if value is not None and math.isinf(value) else value


def step_met(objectives: Sequence[Objective], judgements: Sequence[Judgement]) -> Met:
    """Return what holds of a step: missed where one objective is, undecided where one is.

    Rates are left to the whole run, unless nothing else is asked: that a low load does not reach
    one is no failure of it.
    """
    pairs = list(zip(objectives, judgements, strict=True))
    mets = [found.met for objective, found in pairs if objective.form is not Form.RATE]
    mets = mets or [found.met for _, found in pairs]
    for met in (Met.MISSED, Met.UNDECIDED):
        if met in mets:
            return met
    return Met.MET


def _side(objective: Objective, estimate: Estimate | None) -> bool | None:
    """Tell on which side of the limit the whole interval lies; None where it lies on both.

    A bound that is not known may be as good, or as bad, as can be.
    """
    if estimate is None:
        return None
    best, worst = estimate.low, estimate.high
    if objective.form is not Form.TIME:
        best, worst = worst, best
    if worst is not None and _holds(objective, worst):
        return True
    return False if best is not None and not _holds(objective, best) else None


def _holds(objective: Objective, value: float) -> bool:
    return value <= objective.limit if objective.form is Form.TIME else value >= objective.limit


def _evidence(objective: Objective, objectives: Sequence[Objective], sample: Sample) -> Evidence:
    if objective.form is Form.RATE:
        return _rate(objective, sample)
    if objective.form is Form.SHARE:
        return _share(objective, objectives, sample.counted)
    if objective.metric == "picture_ttft":
        return _picture(_percentile(objective), sample.counted)
    name = "output_speed" if objective.form is Form.SPEED else objective.metric
    return _at_percentile(name, _percentile(objective), sample.counted)


def _at_percentile(name: str, percentile: float, records: Sequence[Record]) -> Evidence:
    values = ordered(records, name)
    estimate = quantile(values, percentile)
    if estimate and name == "output_speed":
        estimate = Estimate(estimate.value, low=estimate.high, high=estimate.low)
    return Evidence(estimate, len(values), smallest_sample(percentile))


def _picture(percentile: float, records: Sequence[Record]) -> Evidence:
    """Compare requests with one picture with those that have none."""
    with_one = ordered([r for r in records if r.picture_count == 1], "ttft")
    without = ordered([r for r in records if r.picture_count == 0], "ttft")
    one, none = quantile(with_one, percentile), quantile(without, percentile)
    estimate = None
    if one and none and math.isfinite(none.value):
        estimate = difference(none, one) if math.isfinite(one.value) else Estimate(one.value)
    return Evidence(estimate, min(len(with_one), len(without)), smallest_sample(percentile))


def _share(
    objective: Objective, objectives: Sequence[Objective], records: Sequence[Record]
) -> Evidence:
    if objective.metric == "right":
        known = [r.right for r in records if r.answered and r.right is not None]
    elif objective.metric == "good":
        known = [is_good(r, objectives) for r in records]
    else:
        known = [r.answered for r in records]
    return Evidence(wilson(sum(known), len(known)), len(known), FEWEST)


def _rate(objective: Objective, sample: Sample) -> Evidence:
    rates, errors = per_second(sample.played, sample.window)
    if errors is None:
        return Evidence(None, 0, FEWEST)
    name = objective.metric.removesuffix("_per_second")
    value, error = getattr(rates, name), getattr(errors, name)
    estimate = Estimate(value, low=max(value - error, 0.0), high=value + error)
    return Evidence(estimate, len(sample.counted), FEWEST)


def _percentile(objective: Objective) -> float:
    assert objective.percentile is not None  # noqa: S101 - read_objectives sees to it
    return objective.percentile
