"""Fills README's tables "What has run where", "Reliability" and "Load clients" from these files.

`python deploy/results/table.py` writes them anew; a test compares. A result file is a JSON object
with the keys of `Result`; cells without a file stay empty. The file of the experiments on
reliability has a row for each, written by their run (`make chaos`), that of the load clients one
for each client, written by `python -m deploy.benchmarks.load_clients`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
README = FOLDER.parents[1] / "README.md"
RELIABILITY = "60-reliability.json"
LOAD_CLIENTS = "70-load-clients.json"
OURS = "loadtests (ours)"
# Of a client's row: what it is, how it is written, and whether more is better.
MEASURES = (
    ("first_token_p50_error_ms", "time to first token, median error", "{:.2f} ms", False),
    ("first_token_p99_error_ms", "time to first token, p99 error", "{:.2f} ms", False),
    ("first_answer_p99_error_ms", "time to first answer token, p99 error", "{:.2f} ms", False),
    ("total_p99_error_ms", "whole request, p99 error", "{:.2f} ms", False),
    ("gap_p99_error_ms", "p99 gap between events, error", "{:.2f} ms", False),
    ("events_per_core_second", "events a second and core", "{:,.0f}", True),
)
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
    apart = (RELIABILITY, LOAD_CLIENTS)
    files = [path for path in sorted(folder.glob("*.json")) if path.name not in apart]
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


def read_load_clients(folder: Path = FOLDER) -> dict[str, Any]:
    """Read the report of the load clients; empty where the benchmark has not run."""
    path = folder / LOAD_CLIENTS
    return json.loads(path.read_text()) if path.exists() else {"rows": []}


def load_clients(report: dict[str, Any]) -> str:
    """Write the report in Markdown: a row a client, who is ahead of ours, and the commands."""
    rows = report["rows"]
    if not rows:
        return ""
    titles = [title for _, title, _, _ in MEASURES]
    titles += ["failed, told (true)", "thought without an answer", "still running at the end"]
    lines = ["| client | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    lines += [f"| {row['client']} {row['version']} | {_cells(row)} |" for row in rows]
    lines += ["", *ahead(rows), "", "<details><summary>Commands and settings</summary>", ""]
    for row in rows:
        lines += [f"{row['client']}: {row['settings']}", "", "```", row["command"], "```", ""]
    dates = sorted({row["date"] for row in rows})
    where = f"on {rows[0]['machine']}, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}"
    lines += ["</details>", "", f"`{report['command']}` {where}."]
    return "\n".join(lines) + "\n"


def ahead(rows: list[dict[str, Any]]) -> list[str]:
    """Return a sentence wherever another client's figure is better than ours."""
    ours = next((row for row in rows if row["client"] == OURS), None)
    sentences = []
    for name, title, form, more_is_better in MEASURES if ours else ():
        own = ours[name]
        told = [row for row in rows if row is not ours and row[name] is not None]
        better = [row for row in told if own is None or (row[name] > own) == more_is_better]
        if better:
            best = sorted(better, key=lambda row: row[name], reverse=more_is_better)[0]
            figure, own_figure = form.format(best[name]), form.format(own) if own else "none"
            sentences.append(f"{best['client']} is ahead in {title}: {figure}, ours {own_figure}.")
    return sentences


def _cells(row: dict[str, Any]) -> str:
    """Write a client's row; what it does not report is a dash."""
    cells = ["–" if row[n] is None else form.format(row[n]) for n, _, form, _ in MEASURES]
    cells.append(f"{row['told_error_rate']:.0%} ({row['error_rate']:.0%})")
    cells.append("failure" if row["told_no_answer_rate"] > 0.5 else "success")
    lost = row["requests"] - row["told_requests"]
    cells.append(f"{lost} of {row['requests']} dropped" if lost > 0 else "counted")
    return " | ".join(cells)


def filled(readme: str, results: list[Result], report: dict[str, Any]) -> str:
    """Return the README with its tables replaced."""
    tables = {
        "results": table(results),
        "load-clients": load_clients(read_load_clients()),
        "reliability": reliability(report),
    }
    for name, text in tables.items():
        readme = _between(name, text, readme)
    return readme


def write() -> None:
    """Write the tables into the README."""
    README.write_text(filled(README.read_text(), load(), load_reliability()))


def _between(name: str, text: str, page: str) -> str:
    """Replace what stands between a page's two marks of a name."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = page.split(start)
    _, after = rest.split(end)
    return before + start + "\n" + text + "\n" + end + after


if __name__ == "__main__":
    write()
