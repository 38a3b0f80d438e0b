"""What the checks have shown: a line each, a summary, and the same as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

NAME_WIDTH = 34


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One check's end; `seen` is the reason where it was skipped."""

    name: str
    expected: str
    seen: str
    verdict: Verdict
    seconds: float

    def line(self) -> str:
        """Write the check's line."""
        start = f"{self.verdict:<8}{self.name:<{NAME_WIDTH}} {self.seconds:5.1f} s"
        if self.verdict is Verdict.SKIPPED:
            return f"{start}  {self.seen}"
        return f"{start}  expected {self.expected} | seen {self.seen}"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    url: str
    model: str
    started: str
    seconds: float
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Say whether no check failed."""
        return self.count(Verdict.FAILED) == 0

    def count(self, verdict: Verdict) -> int:
        """Count the checks that ended in one way."""
        return sum(result.verdict is verdict for result in self.results)

    def summary(self) -> str:
        """Say it in a sentence."""
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in Verdict)
        return f"{len(self.results)} checks of {self.model} in {self.seconds:.0f} s: {counts}"

    def as_json(self) -> dict[str, Any]:
        """Return everything, ready to be encoded."""
        return {
            "url": self.url,
            "model": self.model,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "passed": self.passed,
            "counts": {verdict: self.count(verdict) for verdict in Verdict},
            "checks": [asdict(result) for result in self.results],
        }
