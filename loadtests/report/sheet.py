"""A summary as CSV: a row for each step and kind, with every figure under a name that stays."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from loadtests.report.figures import PERCENTILES, quantile
from loadtests.result import Quantile, Row, Seconds, Share, Spread, StepResult, Summary, Work

Value = str | float | int | None
STEP: Final = ("index", "label", "users", "rate_per_second", "until_rate_per_second", "arrivals")
STEP_TIMES: Final = ("began_seconds", "counted_from_seconds", "ended_seconds", "drain_seconds")
STEP_COUNTS: Final = ("in_flight_at_end", "censored", "settling_requests", "settling_failures")


def write_csv(path: Path, summary: Summary) -> None:
    """Write a summary as CSV; raises OSError.

    Times are seconds. A cell is empty where a figure is absent, "never" where it never came.
    """
    rows = [dict(_cells(summary, step, row)) for step in summary.steps for row in step.rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def columns() -> Iterator[str]:
    """Return the names of the columns, in order; the same for every run."""
    yield from ("scenario", "date", "measurement", "partial", "step_is_best")
    yield from (f"step_{name}" for name in STEP + STEP_TIMES + STEP_COUNTS)
    yield from ("step_met", "kind")
    for field in msgspec.structs.fields(Row):
        if field.name != "kind":
            yield from _columns_of(field)


def _columns_of(field: msgspec.structs.FieldInfo) -> Iterator[str]:
    name = field.name
    if field.type is Spread:
        yield from (f"{name}_n", f"{name}_least", f"{name}_mean")
        for each in PERCENTILES:
            yield from (f"{name}_{each}", f"{name}_{each}_low", f"{name}_{each}_high")
        yield f"{name}_most"
    elif field.type is Share:
        yield from (f"{name}_{part.name}" for part in msgspec.structs.fields(Share))
    elif field.type in {Work, Work | None}:
        yield from (f"{name}_{part.name}" for part in msgspec.structs.fields(Work))
    else:
        yield name


def _cells(summary: Summary, step: StepResult, row: Row) -> Iterator[tuple[str, Value]]:
    verdict = summary.verdict
    yield "scenario", summary.run.get("scenario")
    yield "date", summary.run.get("date")
    yield "measurement", verdict.measurement
    yield "partial", verdict.partial
    yield "step_is_best", int(step.index == verdict.best_step)
    yield from ((f"step_{name}", getattr(step, name)) for name in STEP + STEP_TIMES + STEP_COUNTS)
    yield "step_met", str(step.met)
    for name, value in msgspec.structs.asdict(row).items():
        yield from _flat(name, value)


def _flat(name: str, value: object) -> Iterator[tuple[str, Value]]:
    match value:
        case Spread():
            yield from _spread(name, value)
        case Share() | Work():
            parts = msgspec.structs.asdict(value)
            yield from ((f"{name}_{part}", each) for part, each in parts.items())
        case dict():
            yield name, "; ".join(f"{count} {what}" for what, count in value.items())
        case str() | float() | int():
            yield name, value


def _spread(name: str, spread: Spread) -> Iterator[tuple[str, Seconds]]:
    yield from (
        (f"{name}_{part}", getattr(spread, part)) for part in ("n", "least", "mean", "most")
    )
    for each in PERCENTILES:
        found: Quantile = quantile(spread, each)
        yield f"{name}_{each}", found.value
        yield from ((f"{name}_{each}_{end}", getattr(found, end)) for end in ("low", "high"))
