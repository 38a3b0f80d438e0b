"""Fills README's tables "What has run where" and "Reliability" from the files beside this one.

`python deploy/results/table.py` writes them anew; a test compares. A result file is a JSON object
with the keys of `Result`; cells without a file stay empty. The file of the experiments on
reliability has a row for each, written by their run (`make chaos`).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
README = FOLDER.parents[1] / "README.md"
RELIABILITY = "60-reliability.json"
TINY = "tiny-qwen3-vl"
COLUMNS = (
    "unit test",
    "real engine on CPU",
    "H200, dummy weights",
    "real 8B weights",
    "real cluster",
)


@dataclass(frozen=True, slots=True)
class Result:
    """One cell: what was claimed, where it ran, what came out, and the command that repeats it."""

    claim: str
    column: str
    model: str
    figures: str
    command: str
    machine: str
    date: str

    def cell(self) -> str:
        """Write the cell; a figure of the tiny model never stands without its name."""
        name = f"{self.model}: " if self.model else ""
        return f"{name}{self.figures} (`{self.command}`)"


def load(folder: Path = FOLDER) -> list[Result]:
    """Read all result files by name; raises ValueError for one that does not fit the table."""
    files = [path for path in sorted(folder.glob("*.json")) if path.name != RELIABILITY]
    results = [Result(**json.loads(path.read_text())) for path in files]
    for result in results:
        if result.column not in COLUMNS:
            raise ValueError(f"{result.claim}: {result.column} is no column of the table")
        if result.column == "real engine on CPU" and result.model != TINY:
            raise ValueError(
                f"{result.claim}: on CPU the engine serves {TINY}, so it must be named"
            )
    return results


def table(results: list[Result]) -> str:
    """Write the table in Markdown, one row a claim in the order of the files."""
    cells: dict[str, dict[str, str]] = {}
    for result in results:
        cells.setdefault(result.claim, {})[result.column] = result.cell()
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for claim, row in cells.items():
        lines.append(f"| {claim} | " + " | ".join(row.get(c, "") for c in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def load_reliability(folder: Path = FOLDER) -> dict[str, Any]:
    """Read the report of the experiments on reliability; empty where none has run."""
    path = folder / RELIABILITY
    return json.loads(path.read_text()) if path.exists() else {"rows": []}


def reliability(report: dict[str, Any]) -> str:
    """Write the report in Markdown, one row an experiment, and where and when it ran."""
    lines = ["| experiment | must hold | measured |", "|---|---|---|"]
    for row in report["rows"]:
        lines.append(f"| {row['experiment']} | {row['must_hold']} | {row['measured']} |")
    if report["rows"]:
        dates = sorted({row["date"] for row in report["rows"]})
        lines += ["", f"`{report['command']}` on {report['machine']}, {' to '.join(dates)}."]
    return "\n".join(lines) + "\n"


def filled(readme: str, results: list[Result], report: dict[str, Any]) -> str:
    """Return the README with both tables replaced."""
    return _between("reliability", reliability(report), _between("results", table(results), readme))


def write() -> None:
    """Write both tables into the README."""
    README.write_text(filled(README.read_text(), load(), load_reliability()))


def _between(name: str, text: str, page: str) -> str:
    """Replace what stands between a page's two marks of a name."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = page.split(start)
    _, after = rest.split(end)
    return before + start + "\n" + text + "\n" + end + after


if __name__ == "__main__":
    write()
