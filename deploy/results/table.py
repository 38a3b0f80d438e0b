"""Fills README's table "What has run where" from the result files beside this one.

`python deploy/results/table.py` writes it anew; a test compares. A result file is a JSON object
with the keys of `Result`; cells without a file stay empty.
"""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
README = FOLDER.parents[1] / "README.md"
START, END = "<!-- results -->\n", "<!-- /results -->"
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
    results = [Result(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
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


def filled(readme: str, results: list[Result]) -> str:
    """Return the README with its table replaced."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    return before + START + "\n" + table(results) + "\n" + END + after


if __name__ == "__main__":
    README.write_text(filled(README.read_text(), load()))
