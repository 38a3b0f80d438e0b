"""The CSV: every figure of every step and kind, under names that stay."""

import csv
from pathlib import Path
from typing import Any

import msgspec

from loadtests.report import write_csv
from loadtests.report.folder import Run
from loadtests.report.sheet import columns


def flattened(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return the figures of a row of the summary's JSON under joined names."""
    found: dict[str, Any] = {}
    for name, each in value.items():
        if isinstance(each, dict) and name != "failures":
            found |= flattened(each, f"{before}{name}_")
        else:
            found[f"{before}{name}"] = each
    return found


def test_every_figure_of_the_summary_is_in_the_sheet(run: Run, tmp_path: Path) -> None:
    """As it stands in the JSON: seconds, "never", and nothing where it is absent."""
    path = tmp_path / "summary.csv"
    write_csv(path, run.summary)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [(step, row) for step in run.summary.steps for row in step.rows]
    assert len(rows) == len(expected) == 24
    seen = 0
    for told, (step, row) in zip(rows, expected, strict=True):
        assert (told["step_index"], told["kind"]) == (str(step.index), row.kind)
        for name, value in flattened(msgspec.to_builtins(row)).items():
            if name == "failures":
                counts = (f"{number} {what}" for what, number in value.items())
                assert told[name] == "; ".join(counts)
                continue
            column = name.removesuffix("_value") if "_p" in name else name
            assert told.get(column, "") == ("" if value is None else str(value)), column
            seen += 1
    assert seen > 24 * 150


def test_names_of_columns_stay() -> None:
    """Whoever reads the sheet by name finds each of them once, whatever the run was."""
    names = list(columns())
    assert len(set(names)) == len(names)
    assert {
        "scenario",
        "step_users",
        "kind",
        "ttfat_p95",
        "ttfat_p95_low",
        "per_second_answer_tokens",
        "good_value",
    } <= set(names)
