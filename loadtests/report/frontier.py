"""Throughput against latency, a point for each step: how much load the service carries how well."""

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Final

from markupsafe import escape

from loadtests.report.axis import Axis, decades, even
from loadtests.report.drawing import inner
from loadtests.report.figures import count, known, quantile, rate, round_seconds, seconds
from loadtests.report.folder import shown_step
from loadtests.report.marks import Dots, Limit, Line, Note, Rings, Whiskers
from loadtests.report.plot import Mark, Plot
from loadtests.report.timeline import ANSWER, FIRST, short, unit
from loadtests.result import StepResult, Summary

LIMIT_LOOK: Final = 8
SHOWN: Final = {
    "ttfat": ("Time to first answer token", ANSWER),
    "ttft": ("Time to first token", FIRST),
}
PANEL_WIDTH, PANEL_HEIGHT, LEFT, RIGHT = 370, 230, 62, 96  # px of the picture alone


def counts_tokens(steps: Sequence[StepResult]) -> bool:
    """Whether the endpoint told of any output tokens; else throughput is requests per second."""
    return any(step.all.per_second.output_tokens for step in steps)


def throughput(step: StepResult, summary: Summary) -> float:
    """Return what a step put out in a second."""
    work = step.all.per_second
    return work.output_tokens if counts_tokens(summary.steps) else work.requests


def throughput_unit(summary: Summary) -> str:
    """Say what `throughput` counts."""
    return "output tokens/s" if counts_tokens(summary.steps) else "requests/s"


def limits(summary: Summary, metric: str) -> dict[str, float]:
    """Return the objectives for a time by percentile, in seconds, as they were judged."""
    found = {}
    for step in summary.steps:
        for judgement in step.judgements:
            name, percentile, *_ = [*judgement.objective.split(), ""]
            if name == metric and judgement.kind == "all":
                found[percentile] = judgement.limit
    return found


def frontier(summary: Summary, metric: str) -> Plot:
    """Draw p50 and p95 of a time over the steps' throughput, with its objective."""
    title, _ = SHOWN[metric]
    lines = [_line(summary, metric, name) for name in ("p50", "p95")]
    points = [point for line in lines for point in line.points if point is not None]
    times = [time for _, *ends in [*points, *_intervals(summary, metric)] for time in ends]
    times += limits(summary, metric).values() if points else ()
    return Plot(
        id=f"frontier-{metric}",
        title=f"{title} over throughput",
        told=_told(summary, metric),
        x=_throughput_axis(summary),
        y=decades(times),
        marks=tuple(_marks(summary, metric, lines)),
        height=PANEL_HEIGHT,
        empty="" if points else "No median: too few requests, or too many that failed",
    )


def _marks(summary: Summary, metric: str, lines: Sequence[Line]) -> Iterator[Mark]:
    look, best = SHOWN[metric][1], summary.verdict.best_step
    for percentile, value in limits(summary, metric).items():
        yield Limit(value, f"{percentile} ≤ {round_seconds(value)}", LIMIT_LOOK)
    yield Whiskers(look, list(_intervals(summary, metric)))
    for line in lines:
        yield line
        yield Dots(line.name, look, [p for p in line.points if p is not None], large=True)
    for number, step in enumerate(summary.steps):
        points = [point for line in lines if (point := line.points[number]) is not None]
        yield from (Note(point, short(step)) for point in points[-1:])
        if step.index == best:
            yield Rings(look, points)


def _line(summary: Summary, metric: str, name: str) -> Line:
    values = (known(quantile(getattr(step.all, metric), name).value) for step in summary.steps)
    points = [
        None if value is None else (throughput(step, summary), value)
        for step, value in zip(summary.steps, values, strict=True)
    ]
    return Line(name, SHOWN[metric][1], points, dashed=name == "p95", label=name)


def _intervals(summary: Summary, metric: str) -> Iterator[tuple[float, float, float]]:
    for step in summary.steps:
        for name in ("p50", "p95"):
            found = quantile(getattr(step.all, metric), name)
            low, high = known(found.low), known(found.high)
            if low is not None and high is not None:
                yield throughput(step, summary), low, high


def _throughput_axis(summary: Summary) -> Axis:
    values = [throughput(step, summary) for step in summary.steps]
    say = count if max(values, default=0) >= 10 else rate
    return even([1.04 * value for value in values], unit=throughput_unit(summary), say=say)


def _told(summary: Summary, metric: str) -> str:
    told = []
    for step in summary.steps:
        spread = getattr(step.all, metric)
        told.append(
            f"{step.label}: {rate(throughput(step, summary))} {throughput_unit(summary)}, "
            f"median {seconds(spread.p50.value)}, p95 {seconds(spread.p95.value)}."
        )
    return " ".join(told)


def frontier_svg(summary: Summary) -> str:
    """Return the frontier as a picture alone, for pages that show one; light and dark."""
    run: dict[str, Any] = summary.run
    plots = {metric: frontier(summary, metric) for metric in SHOWN}
    width, top = 2 * (LEFT + PANEL_WIDTH + RIGHT), 62
    height = top + max(p.top + p.height + p.foot for p in plots.values()) + 26
    title = f"Throughput and latency: {run.get('scenario', 'a load test')}"
    style = resources.files("loadtests.report").joinpath("plot.css").read_text("utf-8")
    told = " ".join(_told(summary, metric) for metric in SHOWN)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" class="plot alone" role="img" aria-labelledby="name told">',
        f'<title id="name">{escape(title)}</title><desc id="told">{escape(told)}</desc>',
        f"<style>{style}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="12"/>',
        f'<text class="head" x="20" y="28">{escape(_head(summary))}</text>',
        f'<text class="sub" x="20" y="47">{escape(_sub(summary))}</text>',
    ]
    for number, metric in enumerate(SHOWN):
        left = LEFT + number * (LEFT + PANEL_WIDTH + RIGHT)
        drawn += [
            f'<svg x="{left}" y="{top}" width="{PANEL_WIDTH}" height="{height - top}"'
            ' overflow="visible">',
            *inner(plots[metric]),
            f'<text class="name look-{SHOWN[metric][1]}" x="0" y="14">{SHOWN[metric][0]}</text>',
            f'<text class="sub" x="100%" y="{height - top - 16}" text-anchor="end">'
            f"{throughput_unit(summary)} →</text>",
            "</svg>",
        ]
    return "\n".join([*drawn, "</svg>\n"])


def _head(summary: Summary) -> str:
    step = shown_step(summary)
    if step is None:
        return "Nothing was measured"
    best = "best" if step.index == summary.verdict.best_step else "last"
    figures = f"{rate(throughput(step, summary))} {throughput_unit(summary)}"
    trust = "" if summary.certificate.valid else "INVALID: "
    return (
        f"{trust}{figures} at {step.label}, the {best} step: first answer token after "
        f"{seconds(step.all.ttfat.p50.value)} (median)"
    )


def _sub(summary: Summary) -> str:
    models = ", ".join(summary.models) or "no model answered"
    machine = summary.run.get("machine") or {}
    where = machine.get("gpu") or machine.get("cpu") or "unknown hardware"
    return (
        f"{models}; scenario {summary.run.get('scenario', '?')}; client on {where}; "
        f"numbers at the points are {unit(summary.steps)}"
    )
