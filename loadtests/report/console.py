"""A run as text: what the console prints at its end, and the line that moves while it lasts."""

from collections.abc import Iterator
from typing import Final

from loadtests.report.figures import (
    PERCENTILES,
    count,
    percent,
    quantile,
    rate,
    seconds,
    shown_name,
)
from loadtests.report.folder import shown_step
from loadtests.report.frontier import throughput, throughput_unit
from loadtests.report.tables import TIMES, aligned
from loadtests.report.verdict import (
    certificate_facts,
    measured_words,
    notes,
    objective_words,
    title,
    verdict_words,
)
from loadtests.result import Met, StepResult, Summary
from loadtests.swarm.orders import Progress

PROGRESS_WIDTH: Final = 100  # letters
PRINTED: Final = ("ttft", "ttfat", "thinking", "tpot", "e2e")
SIGNS: Final = {Met.MET: "met", Met.MISSED: "MISSED", Met.UNDECIDED: "undecided"}


def table(summary: Summary) -> str:
    """Lay a summary out as text: verdict, steps, percentiles, certificate, notes."""
    words = " · ".join(verdict_words(summary.verdict))
    lines = [title(summary), f"{words}: {summary.verdict.sentence}", "", *_steps(summary)]
    if step := shown_step(summary):
        lines += ["", *_percentiles(step), "", *_judged(step)]
    lines += ["", *(f"{name}: {value}" for name, value in certificate_facts(summary.certificate))]
    lines += [f"note: {note}" for note in notes(summary)]
    return "\n".join(lines) + "\n"


def _steps(summary: Summary) -> Iterator[str]:
    heads = ["", "requests", "answered", "good", throughput_unit(summary)]
    heads += ["TTFT p50", "TTFAT p50", "TTFAT p95", "objectives"]
    rows = [heads]
    for step in summary.steps:
        row = step.all
        chosen = " ◀ best" if step.index == summary.verdict.best_step else ""
        rows.append(
            [
                step.label,
                count(row.requests),
                percent(row.answered.value),
                percent(row.good.value),
                rate(throughput(step, summary)),
                seconds(row.ttft.p50.value),
                seconds(row.ttfat.p50.value),
                seconds(row.ttfat.p95.value),
                SIGNS[step.met] + chosen,
            ]
        )
    width = max(len(row[-1]) for row in rows)
    yield from aligned([[*row[:-1], row[-1].ljust(width)] for row in rows])


def _percentiles(step: StepResult) -> Iterator[str]:
    rows = [[f"at {step.label}", "n", *map(shown_name, PERCENTILES), "most"]]
    for name in PRINTED:
        spread = getattr(step.all, name)
        values = [quantile(spread, each).value for each in PERCENTILES] + [spread.most]
        rows.append([TIMES[name].split(",")[0], count(spread.n), *map(seconds, values)])
    yield from aligned(rows)


def _judged(step: StepResult) -> Iterator[str]:
    for judgement in step.judgements:
        measured = measured_words(judgement)
        found = f" ({measured})" if measured else ""
        doubt = ""
        if judgement.more_requests:
            doubt = f", {count(judgement.more_requests)} more requests are needed"
        elif judgement.met is not Met.UNDECIDED and not judgement.sure:
            doubt = ", within the margin of chance"
        yield f"{objective_words(judgement.objective)}: {SIGNS[judgement.met]}{found}{doubt}"


def progress_line(at: Progress) -> str:
    """Return one line of at most 100 letters on how far a step is."""
    speed = at.tokens / at.elapsed_seconds if at.elapsed_seconds > 0 else 0.0
    failed = f", {count(at.failed)} FAILED" if at.failed else ""
    return (
        f"{at.elapsed_seconds:5.0f} s  {count(at.sent)} sent, {count(at.answered)} answered"
        f"{failed}, {count(at.in_flight)} in flight, {rate(speed)} tokens/s"
    )[:PROGRESS_WIDTH]
