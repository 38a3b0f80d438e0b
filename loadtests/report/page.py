"""The report as one page that needs nothing else: no file, no network, and no script to be read."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from loadtests.report.distribution import curves, split, strips
from loadtests.report.drawing import svg
from loadtests.report.failures import failures_of
from loadtests.report.figures import ABSENT, count, interval, percent, rate
from loadtests.report.folder import PAGE, Run, read_run
from loadtests.report.frontier import frontier, throughput, throughput_unit
from loadtests.report.goodput import attainment, goodput
from loadtests.report.metrics import observed
from loadtests.report.tables import (
    Cell,
    kinds_table,
    percentile,
    steps_table,
    times_table,
)
from loadtests.report.timeline import latency, thinned, unit
from loadtests.report.verdict import (
    certificate_facts,
    measured_words,
    metric_words,
    notes,
    objective_words,
    provenance,
    title,
    verdict_words,
)
from loadtests.result import Judgement, Met, StepResult, Summary

SIGNS: Final = {Met.MET: "✓ met", Met.MISSED: "✗ missed", Met.UNDECIDED: "? undecided"}


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at the top: its name, its value, and what belongs to it."""

    name: str
    value: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An objective over the steps: its words, and a cell for each step."""

    objective: str
    cells: tuple[tuple[str, Cell], ...]


def write_report(folder: Path) -> Path:
    """Write a results folder's page into it; raises LoadError and OSError."""
    path = folder / PAGE
    path.write_text(page(read_run(folder)), encoding="utf-8")
    return path


def page(run: Run) -> str:
    """Return the page of a run; what comes from outside is escaped."""
    style, script = _source("plot.css") + _source("page.css"), _source("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"svg": svg, "count": count, "rate": rate}
    return environment.from_string(_source("page.html")).render(
        _content(run),
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _source(name: str) -> str:
    return resources.files("loadtests.report").joinpath(name).read_text("utf-8")


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _content(run: Run) -> dict[str, Any]:
    summary, step = run.summary, run.shown_step
    told = {
        "title": title(summary),
        "verdict": summary.verdict,
        "words": verdict_words(summary.verdict),
        "summary": summary,
        "step": step,
        "several": len(summary.steps) > 1,
        "unit": unit(summary.steps),
        "throughput_unit": throughput_unit(summary),
        "tiles": list(_tiles(summary, step)) if step else [],
        "objectives": list(_objectives(summary)),
        "judged": _judged_in_short(step) if step and summary.certificate.valid else [],
        "reasons": _reasons(summary.objectives),
        "about_objectives": summary.objectives.get("about", ""),
        "latency": latency(run),
        "thinned": thinned(run.requests).said,
        "panels": observed(run),
        "failures": failures_of(run.requests),
        "certificate": list(certificate_facts(summary.certificate)),
        "notes": list(notes(summary)),
        "command": summary.run.get("command"),
        "provenance": provenance(summary.run),
    }
    return told | (_of_steps(run, step) if step else {})


def _of_steps(run: Run, step: StepResult) -> dict[str, Any]:
    """Return what there is to draw where at least one step was counted."""
    steps = run.summary.steps
    kinds = [(row.kind, row) for row in step.rows if row.kind != "all"]
    by_kind = split(kinds, plot_id="split-kinds", title=f"Thinking by kind at {step.label}")
    by_step = split(
        [(s.label, s.all) for s in steps], plot_id="split-steps", title="Thinking by step"
    )
    return {
        "frontiers": [frontier(run.summary, metric) for metric in ("ttfat", "ttft")],
        "thinned_step": thinned(run.counted(step)).said,
        "curves": curves(run, step),
        "strips": strips(run, step),
        "splits": [by_kind, by_step] if len(steps) > 1 else [by_kind],
        "goodputs": [attainment(steps), goodput(steps)],
        "steps_table": steps_table(run.summary),
        "kinds_tables": [kinds_table(each) for each in steps],
        "times_table": times_table(step),
    }


def _tiles(summary: Summary, step: StepResult) -> Iterator[Tile]:
    row = step.all
    words = throughput_unit(summary)
    yield Tile(
        "Throughput",
        f"{rate(throughput(step, summary))}",
        f"{words}; {rate(row.per_second.requests)} requests/s",
    )
    for name, spread in (("First answer token", row.ttfat), ("First token", row.ttft)):
        middle, high = percentile(spread, "p50"), percentile(spread, "p95")
        tail = f"median; p95 {high.text}" if not high.absent else f"median; no p95: {high.about}"
        yield Tile(name, middle.text, f"no median: {middle.about}" if middle.absent else tail)
    good = row.good
    yield Tile(
        "Good requests",
        percent(good.value),
        f"{interval(good)} (95 % interval)" if good.whole else "",
    )
    yield Tile(
        "Answered",
        percent(row.answered.value),
        f"{count(row.answered.part)} of {count(row.answered.whole)}",
    )


def _judged_in_short(step: StepResult) -> list[tuple[str, str]]:
    """Return each objective with its sign at a step, for the top of the page."""
    return [
        (f"{SIGNS[each.met][0]} {objective_words(each.objective)}", str(each.met))
        for each in step.judgements
    ]


def _objectives(summary: Summary) -> Iterator[Line]:
    """Return each objective with what every step showed of it."""
    names = dict.fromkeys(j.objective for step in summary.steps for j in step.judgements)
    for name in names:
        found = (_judged(step, name) for step in summary.steps)
        yield Line(objective_words(name), tuple(map(_cell, found)))


def _judged(step: StepResult, objective: str) -> Judgement | None:
    return next((j for j in step.judgements if j.objective == objective), None)


def _cell(judged: Judgement | None) -> tuple[str, Cell]:
    if judged is None:
        return "undecided", Cell(ABSENT, "not judged", absent=True)
    doubtful = not judged.sure and judged.met is not Met.UNDECIDED
    words = ": ".join(filter(None, (SIGNS[judged.met], measured_words(judged))))
    more = f"{count(judged.more_requests)} more requests are needed" if judged.more_requests else ""
    return str(judged.met), Cell(f"{words} ~" if doubtful else words, more)


def _reasons(objectives: dict[str, Any]) -> list[tuple[str, str]]:
    """Return why each limit was chosen, by metric."""
    listed = objectives.get("objectives", [])
    return [(metric_words(each["metric"]), each["reason"]) for each in listed if "reason" in each]
