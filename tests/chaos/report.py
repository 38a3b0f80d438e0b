"""What an experiment comes to: its checks, its row of the report, and the report's file."""

import datetime
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from deploy.results import table

FILE: Final = table.FOLDER / table.RELIABILITY


@dataclass(frozen=True, slots=True)
class Check:
    """One figure, in words for a reader, and whether it is as it must be."""

    says: str
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment: what was done, what must hold, what came out."""

    name: str
    experiment: str
    must_hold: str
    checks: Sequence[Check]

    @property
    def holds(self) -> bool:
        """Say whether every check holds; an experiment without one proves nothing."""
        return bool(self.checks) and all(check.holds for check in self.checks)

    @property
    def measured(self) -> str:
        """Return the figures; one that does not hold says so."""
        return "; ".join(c.says if c.holds else f"**{c.says}: does not hold**" for c in self.checks)

    def entry(self, date: str) -> dict[str, Any]:
        """Return it as the report's file has it."""
        words = {name: getattr(self, name) for name in ("name", "experiment", "must_hold")}
        return words | {"measured": self.measured, "holds": self.holds, "date": date}


def machine() -> str:
    """Name what this ran on, as the other result files do."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    widest = next((name for name in ("avx512f", "avx2") if name in flags), "")
    words = {"avx512f": " (AVX-512)", "avx2": " (AVX2)", "": ""}[widest]
    memory = math.ceil(psutil.virtual_memory().total / 2**30)
    architecture = platform.machine().replace("_", "-")
    return f"{len(psutil.Process().cpu_affinity() or [])} {architecture} cores{words}, {memory} GiB"


def merged(old: dict[str, Any], rows: Sequence[Row], date: str, order: Sequence[str]) -> Any:
    """Return the report with these rows anew and the others kept, in the order of experiments."""
    entries = {entry["name"]: entry for entry in old.get("rows", ())}
    entries |= {row.name: row.entry(date) for row in rows}
    kept = [entries[name] for name in order if name in entries]
    return {"machine": machine(), "date": date, "command": "make chaos", "rows": kept}


def write(rows: Sequence[Row], order: Sequence[str]) -> None:
    """Write the rows into the report's file, and the README's table from it."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(merged(old, rows, date, order), indent=1, ensure_ascii=False) + "\n")
    table.write()
