"""What is said of a run as a whole: verdict, certificate, notes, and which run it was."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtests.report.figures import ABSENT, PERCENTILES, count, percent, rate, seconds, shown_name
from loadtests.result import Certificate, Judgement, Met, Summary, Verdict

OBJECTIVES: Final = {
    Met.MET: "objectives met",
    Met.MISSED: "objectives missed",
    Met.UNDECIDED: "objectives undecided",
}
# What people look for first; all else that a run tells of itself follows under its own name.
PROVENANCE: Final = {
    "date": "Date",
    "scenario": "Scenario",
    "question": "Question",
    "seed": "Seed",
    "url": "Endpoint",
    "model_served": "Model",
    "model_asked": "Model asked for",
    "server.revision": "Model revision",
    "vllm_version": "vLLM",
    "server.image": "Image",
    "server.settings": "Settings hash",
    "machine.gpu": "GPU here",
    "machine.cpu": "Processor here",
    "machine.cores": "Cores",
    "git_commit": "Commit",
    "git_clean": "Commit without changes",
}
SHORT: Final = ("ttft", "ttfat", "tpot", "itl", "e2e")  # names that are abbreviations
UNTOLD: Final = "not told"
APART: Final = ("command",)


def title(summary: Summary) -> str:
    """Say in one line which run it was."""
    run = summary.run
    served = ", ".join(summary.models) or "no model"
    return (
        f"{run.get('scenario', 'load test')} on {run.get('url', 'an endpoint')}: {served} answered"
    )


def verdict_words(verdict: Verdict) -> tuple[str, ...]:
    """Return the verdict in words: VALID or INVALID, PARTIAL, and what became of objectives."""
    partial = () if verdict.partial is None else (f"PARTIAL: {verdict.partial}",)
    return (verdict.measurement, *partial, OBJECTIVES[verdict.objectives])


def metric_words(metric: str) -> str:
    """Write a metric's name for people."""
    parts = metric.split("_")
    return " ".join(part.upper() if part in SHORT else part for part in parts)


def objective_words(objective: str) -> str:
    """Write an objective for people: "ttft p95 <= 2 s" as "TTFT p95 ≤ 2 s"."""
    name, *rest = objective.split(" ")
    words = " ".join([metric_words(name), *rest])
    return words.replace("<=", "≤").replace(">=", "≥")


def measured_words(judged: Judgement) -> str:
    """Write what was measured in its limit's unit: a time, a share, or an amount per second."""
    value, limit = judged.measured, judged.limit
    if value is None or isinstance(value, str):
        return value or ""
    words, asked = _amount(value, judged.objective), _amount(limit, judged.objective)
    if words == asked and value != limit:
        return f"just {'over' if value > limit else 'under'} {asked}"
    return words


def _amount(value: float, objective: str) -> str:
    if objective.endswith((" s", " ms")):
        return seconds(value)
    return percent(value) if objective.endswith(" %") else rate(value)


def certificate_facts(told: Certificate) -> Iterator[tuple[str, str]]:
    """Return the client's own figures with their names."""
    bound = f", allowed {seconds(told.timing_bound_seconds)}" if told.timing_bound_seconds else ""
    error = f"p50 {seconds(told.timing_error_p50_seconds)}, p99 "
    error += f"{seconds(told.timing_error_p99_seconds)}{bound}"
    yield "timing error", f"{error}; {count(told.timing_samples)} samples during the run"
    yield "sent late", f"{seconds(told.send_lateness_p99_seconds)} (p99)"
    yield "client's processor", f"{percent(told.client_cpu_share)} of a core at the busiest second"
    able = told.events_per_core_second
    of = f" of {count(able)} that a core can read" if able else ""
    yield "events", f"{count(told.events_per_second)} in the busiest second{of}"
    yield "round trip", f"{seconds(told.round_trip_seconds)}, shown and never subtracted"
    yield "clock", told.clock
    yield "priority", "real-time" if told.real_time else "that of any process"


def notes(summary: Summary) -> Iterator[str]:
    """Say what limits the result, besides what the verdict's sentence says."""
    if not summary.steps:
        yield "no step was counted: nothing is measured"
    absent = [name for name in PERCENTILES if _any_absent(summary, name)]
    if absent:
        names = ", ".join(map(shown_name, absent))
        yield f"{ABSENT} stands for a percentile with too few requests ({names})"
    for step in summary.steps:
        row = step.all
        told = {
            "still ran when the wait was over, and count as failed": step.censored,
            "answers were cut off by max_tokens": row.truncated,
            "answers came without usage, and are not in tokens per second": row.without_usage,
            f"of {count(step.settling_requests)} requests failed while it settled": (
                step.settling_failures
            ),
        }
        yield from (f"{step.label}: {count(n)} {words}" for words, n in told.items() if n)
    served, asked = list(summary.models), summary.run.get("model_asked")
    if asked is not None and served != [asked]:
        yield f"asked for {asked}, answered by {', '.join(served) or 'no model'}"


def _any_absent(summary: Summary, name: str) -> bool:
    rows = (step.all for step in summary.steps)
    return any(getattr(row.ttfat, name).value is None and row.ttfat.n for row in rows)


def provenance(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a run tells of itself: first what each run should, then all the rest."""
    flat = dict(_flat(run))
    known = [(words, flat.get(name, UNTOLD)) for name, words in PROVENANCE.items()]
    others = [name for name in flat if name not in PROVENANCE and name not in APART]
    return known + [(_title(name), flat[name]) for name in others]


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{before}{name}.")
        elif isinstance(each, bool):
            yield f"{before}{name}", "yes" if each else "no"
        elif isinstance(each, float):
            yield f"{before}{name}", f"{each:g}"
        elif isinstance(each, list):
            yield f"{before}{name}", ", ".join(map(str, each))
        elif each is not None:
            yield f"{before}{name}", str(each)


def _title(name: str) -> str:
    words = name.replace("_", " ").replace(".", ": ")
    return words[:1].upper() + words[1:]
