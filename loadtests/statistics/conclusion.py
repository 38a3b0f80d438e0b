"""What a run comes to: how much load meets its objectives, in a sentence to be read aloud; pure."""

from collections.abc import Sequence

from loadtests.result import Certificate, Judgement, Met, StepResult, Verdict
from loadtests.statistics.objectives import Form, Objective

NAMES = {
    "ttft": "time to first token",
    "ttfat": "time to first answer token",
    "thinking": "thinking time",
    "tpot": "time per output token",
    "answer_tpot": "time per answer token",
    "e2e": "time to the last token",
    "picture_ttft": "the wait that a picture adds",
    "stream_tokens_per_second": "tokens per second of a stream",
    "answered": "the answered share",
    "good": "the good share",
    "right": "the right share",
    "requests_per_second": "answered requests per second",
    "images_per_second": "pictures per second",
    "output_tokens_per_second": "output tokens per second",
}


def conclude(
    steps: Sequence[StepResult],
    certificate: Certificate,
    objectives: Sequence[Objective],
    partial: str | None,
) -> Verdict:
    """Judge a run: met where some load meets everything and no load up to it fails.

    A measurement that is INVALID decides nothing.
    """
    ladder = sorted(steps, key=load_of)
    best = best_step(ladder, objectives)
    met, sentence = _met(ladder, best, objectives), _sentence(ladder, best, objectives)
    if not certificate.valid:
        met, best = Met.UNDECIDED, None
        reasons = " ".join(f"{reason.rstrip('.')}." for reason in certificate.reasons)
        sentence = f"The measurement is INVALID and decides nothing: {reasons}"
    if partial:
        sentence = f"{sentence} The run is partial: {partial.rstrip('.')}."
    return Verdict(
        measurement="VALID" if certificate.valid else "INVALID",
        partial=partial,
        objectives=met,
        sentence=sentence,
        best_step=best.index if best else None,
    )


def load_of(step: StepResult) -> float:
    """Return the highest load of a step: users, or requests per second."""
    if step.users is not None:
        return step.users
    return max(step.rate_per_second or 0.0, step.until_rate_per_second or 0.0)


def best_step(ladder: Sequence[StepResult], objectives: Sequence[Objective]) -> StepResult | None:
    """Return the highest load that meets the objectives, below the lowest that fails.

    A rate that a low load does not reach is no failure: more load may bring it.
    """
    failed = [load_of(step) for step in ladder if _fails(step, objectives)]
    limit = min(failed, default=float("inf"))
    met = [step for step in ladder if _meets_all(step) and load_of(step) < limit]
    return met[-1] if met else None


def _meets_all(step: StepResult) -> bool:
    """Tell whether a step meets everything, rates included."""
    return all(judgement.met is Met.MET for judgement in step.judgements)


def _fails(step: StepResult, objectives: Sequence[Objective]) -> bool:
    """Tell whether a step misses what less load could meet."""
    return any(objective.form is not Form.RATE for objective, _ in _missed(step, objectives))


def _missed(step: StepResult, objectives: Sequence[Objective]) -> list[tuple[Objective, Judgement]]:
    """Return what a step misses, rates last."""
    pairs = zip(objectives, step.judgements, strict=True)
    missed = [(objective, found) for objective, found in pairs if found.met is Met.MISSED]
    return sorted(missed, key=lambda pair: pair[0].form is Form.RATE)


def _met(
    ladder: Sequence[StepResult], best: StepResult | None, objectives: Sequence[Objective]
) -> Met:
    if best:
        return Met.MET
    missed = any(_missed(step, objectives) for step in ladder)
    return Met.MISSED if missed else Met.UNDECIDED


def _sentence(
    ladder: Sequence[StepResult], best: StepResult | None, objectives: Sequence[Objective]
) -> str:
    if not any(step.all.requests for step in ladder):
        return "No request was counted, so that nothing can be said."
    above = [step for step in ladder if best is None or load_of(step) > load_of(best)]
    failing = [step for step in above if _fails(step, objectives)]
    missing = failing or [step for step in reversed(above) if _missed(step, objectives)]
    if best is None:
        told = _fault(missing[0], objectives) if missing else _too_few(above[-1], objectives)
        return f"At {told}."
    several = len(ladder) > 1
    told = f"{'Up to' if several else 'At'} {_described(best)} every objective is met{_doubt(best)}"
    if missing:
        return f"{told}; at {_fault(missing[0], objectives)}."
    if above:
        return f"{told}; at {_too_few(above[0], objectives)}."
    return f"{told}, and no higher load was tried." if several else f"{told}."


def _fault(step: StepResult, objectives: Sequence[Objective]) -> str:
    """Say what a step misses most plainly, and how many others it misses."""
    missed = _missed(step, objectives)
    others = len(missed) - 1
    more = f", and {others} other objective{'s are' if others > 1 else ' is'} missed"
    return f"{step.label} {_measured(*missed[0])}{more if others else ''}"


def _measured(objective: Objective, judgement: Judgement) -> str:
    """Say what was measured, and the limit that it does not keep."""
    side = "over" if objective.form is Form.TIME else "under"
    limit, name = objective.shown(objective.limit), _named(objective)
    if judgement.measured is None:
        return f"{name} is {side} {limit}, by how much too few requests say"
    if judgement.measured == "never":
        return f"{name} is never, for so many requests failed; the limit is {limit}"
    measured = objective.shown(judgement.measured)
    if measured == limit:
        return f"{name} is just {side} {limit}"
    return f"{name} is {measured}, {side} {limit}"


def _too_few(step: StepResult, objectives: Sequence[Objective]) -> str:
    """Say how much more it takes to judge a step that misses nothing so far."""
    pairs = zip(objectives, step.judgements, strict=True)
    undecided = [pair for pair in pairs if pair[1].met is Met.UNDECIDED]
    objective, judgement = max(undecided, key=lambda pair: pair[1].more_requests)
    if not judgement.more_requests:
        return f"{step.label} {_named(objective)} cannot be told, for so many requests failed"
    seconds = judgement.more_seconds
    time = "" if seconds is None else f", about {max(seconds, 1):.0f} s of this load"
    requests = f"{step.all.requests} request{' is' if step.all.requests == 1 else 's are'}"
    return (
        f"{step.label} {requests} too few to judge {_named(objective)}: "
        f"{judgement.more_requests} more are needed{time}"
    )


def _doubt(step: StepResult) -> str:
    """Tell how much of what a step meets rests on its point estimate alone."""
    unsure, all_of_them = sum(not found.sure for found in step.judgements), len(step.judgements)
    return f" ({unsure} of {all_of_them} not yet with 95 % confidence)" if unsure else ""


def _described(step: StepResult) -> str:
    rates = step.all.per_second
    tokens = f"{rates.output_tokens:,.{0 if rates.output_tokens >= 10 else 1}f}"
    return f"{step.label} ({rates.requests:.3g} requests/s, {tokens} tokens/s)"


def _named(objective: Objective) -> str:
    percentile = "" if objective.percentile is None else f" p{objective.percentile * 100:g}"
    kinds = f" of {objective.kind}" if objective.kinds else ""
    return f"{NAMES[objective.metric]}{percentile}{kinds}"
