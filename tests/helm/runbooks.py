"""The runbooks as tests read them: headings, commands, settings, metrics and queries."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "runbooks"
HEADINGS: Final = ("Meaning", "Impact", "Diagnosis", "Mitigation")

BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN: Final = re.compile(r"`([^`\n]+)`")
COMMAND: Final = re.compile(r"^(?:\$ )?serving ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)
OPTION: Final = re.compile(r"(?<![\w-])--[a-z-]+")
SETTING: Final = re.compile(r"\b(?:engine|gateway|store|models)\.[a-z_]+\b")
PAGE: Final = re.compile(r":9000(/[\w/]*)")


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page."""

    name: str
    text: str

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings of its parts."""
        return tuple(re.findall(r"^## (.+)$", self.text, re.MULTILINE))

    def part(self, heading: str) -> str:
        """Return the text under a heading."""
        return self.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]

    def blocks(self, language: str) -> list[str]:
        """Return the fenced blocks in a language."""
        return [text for found, text in BLOCK.findall(self.text) if found == language]

    @property
    def queries(self) -> list[str]:
        """Return what is to be pasted into Prometheus; an empty line divides two."""
        blocks = self.blocks("promql")
        return [query for block in blocks for query in re.split(r"\n\s*\n", block.strip())]

    @property
    def code(self) -> list[str]:
        """Return all that is set as code: blocks' lines and spans."""
        outside = BLOCK.sub("", self.text)
        lines = [line for _, block in BLOCK.findall(self.text) for line in block.splitlines()]
        return lines + SPAN.findall(outside)

    @property
    def commands(self) -> list[str]:
        """Return the lines and spans that call the program."""
        return [text for text in self.code if COMMAND.match(text)]


def read_runbooks() -> dict[str, Runbook]:
    """Return all pages but the index, by the alert they are for."""
    pages = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
    return {path.stem: Runbook(path.stem, path.read_text(encoding="utf-8")) for path in pages}
