"""The tables of the page and the blocks of the console: figures laid out in rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.report.figures import (
    ABSENT,
    PERCENTILES,
    count,
    interval,
    percent,
    quantile,
    rate,
    seconds,
    shown_name,
    why_absent,
)
from loadtests.result import Row, Spread, StepResult, Summary

TIMES: Final = {
    "ttft": "Time to first token",
    "ttfat": "Time to first answer token",
    "thinking": "Thinking, first token to first answer token",
    "tpot": "Time per output token after the first",
    "answer_tpot": "Time per answer token",
    "itl": "From event to event",
    "e2e": "To the last token",
    "service_ttft": "To first token, from when it was sent",
    "service_ttfat": "To first answer token, from when it was sent",
    "lateness": "Sent later than due",
    "upload": "Upload of the body",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, what is said of it under a pointer, and whether it stands for something absent."""

    text: str
    about: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures; the first column names the row. `chosen` is the number of a row."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    chosen: int | None = None


def percentile(spread: Spread, name: str) -> Cell:
    """Return a percentile as a cell: its interval beside it, or why there is none."""
    found = quantile(spread, name)
    if found.value is None:
        return Cell(ABSENT, why_absent(spread, name), absent=True)
    between = interval(found)
    return Cell(seconds(found.value), f"95 % interval: {between}" if between else "")


def steps_table(summary: Summary) -> Table:
    """Return a row for each step: the load, what was carried, and how soon."""
    best = summary.verdict.best_step
    rows = [(step.label, _step_cells(step)) for step in summary.steps]
    heads = (
        *("Step", "Requests", "Answered", "Good", "In flight", "Requests/s", "Good/s"),
        *("Output tokens/s", "TTFT p50", "TTFT p95", "TTFAT p50", "TTFAT p95", "TPOT p50"),
        "Objectives",
    )
    chosen = [n for n, step in enumerate(summary.steps) if step.index == best]
    return Table("Each step, all kinds together", heads, tuple(rows), next(iter(chosen), None))


def _step_cells(step: StepResult) -> tuple[Cell, ...]:
    row = step.all
    return (
        Cell(count(row.requests)),
        Cell(percent(row.answered.value), interval(row.answered)),
        Cell(percent(row.good.value), interval(row.good)),
        Cell(rate(row.in_flight)),
        Cell(rate(row.per_second.requests)),
        Cell(rate(row.good_per_second)),
        Cell(rate(row.per_second.output_tokens)),
        *(percentile(row.ttft, name) for name in ("p50", "p95")),
        *(percentile(row.ttfat, name) for name in ("p50", "p95")),
        percentile(row.tpot, "p50"),
        Cell(str(step.met)),
    )


def kinds_table(step: StepResult) -> Table:
    """Return a row for each kind of a step: outcomes, tokens and times."""
    heads = (
        *("Kind", "Requests", "Failed", "Good", "Right", "Prompt tokens", "Picture tokens"),
        *("Cached tokens", "Thought tokens", "Answer tokens", "Cut by max_tokens"),
        *("TTFT p50", "TTFAT p50", "TTFAT p95", "TPOT p50"),
    )
    rows = tuple((row.kind, _kind_cells(row)) for row in step.rows)
    return Table(f"Each kind at {step.label}; tokens are the mean of an answer", heads, rows)


def _kind_cells(row: Row) -> tuple[Cell, ...]:
    mean = row.mean
    names = ("prompt_tokens", "image_tokens", "cached_tokens", "reasoning_tokens", "answer_tokens")
    told = [rate(getattr(mean, name)) for name in names] if mean else [ABSENT] * len(names)
    right = f"{row.right.part} of {row.right.whole}" if row.right.whole else ABSENT
    return (
        Cell(count(row.requests)),
        Cell(count(sum(row.failures.values()))),
        Cell(percent(row.good.value), interval(row.good)),
        Cell(right),
        *(Cell(text) for text in told),
        Cell(count(row.truncated)),
        percentile(row.ttft, "p50"),
        *(percentile(row.ttfat, name) for name in ("p50", "p95")),
        percentile(row.tpot, "p50"),
    )


def times_table(step: StepResult) -> Table:
    """Return a row for each time of a step, all kinds together, with every percentile."""
    heads = ("Time", "n", "Least", "Mean", *map(shown_name, PERCENTILES), "Most")
    rows = []
    for name, title in TIMES.items():
        spread: Spread = getattr(step.all, name)
        if not spread.n:
            continue
        cells = (
            Cell(count(spread.n)),
            Cell(seconds(spread.least)),
            Cell(seconds(spread.mean)),
            *(percentile(spread, each) for each in PERCENTILES),
            Cell(seconds(spread.most)),
        )
        rows.append((title, cells))
    caption = f"Every time at {step.label}, all kinds together; means are of those that came"
    return Table(caption, heads, tuple(rows))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out as text: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    return [
        "  ".join(
            side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
