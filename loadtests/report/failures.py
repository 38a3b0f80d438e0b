"""How requests failed: by kind and outcome, and what the endpoint said of it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.outcome import Outcome
from loadtests.report.folder import Seen

MOST_DETAILS: Final = 8
MOST_LETTERS: Final = 160
# A word so long is a key, a picture or an id: it tells a reader nothing, and may be secret.
LONG_WORD: Final = re.compile(r"\S{33,}")


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed requests of all steps, those of the settling time included.

    `rows` has a row for each kind: its name, its requests, and a number for each of `outcomes`.
    """

    outcomes: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[int, ...]], ...]
    details: tuple[tuple[str, int], ...]

    @property
    def failed(self) -> int:
        """Return how many failed."""
        return sum(sum(counts) for _, _, counts in self.rows)


def failures_of(requests: Sequence[Seen]) -> Failures:
    """Count what failed."""
    failed = [each for each in requests if each.failed]
    outcomes = tuple(name for name, _ in Counter(_name(each) for each in failed).most_common())
    kinds = Counter(each.kind for each in requests)
    cells = Counter((each.kind, _name(each)) for each in failed)
    details = Counter(_detail(each) for each in failed if each.detail)
    return Failures(
        outcomes,
        tuple(
            (kind, n, tuple(cells[kind, o] for o in outcomes)) for kind, n in sorted(kinds.items())
        ),
        tuple(details.most_common(MOST_DETAILS)),
    )


def _name(each: Seen) -> str:
    """Name an outcome, an HTTP error with its status."""
    if each.outcome is Outcome.HTTP_ERROR and each.status is not None:
        return f"{each.outcome} {each.status}"
    return str(each.outcome)


def _detail(each: Seen) -> str:
    """Return what was said, without words that may be a secret, and not all of a long page."""
    said = LONG_WORD.sub("…", " ".join(each.detail.split()))
    shown = said if len(said) <= MOST_LETTERS else f"{said[:MOST_LETTERS]}…"
    return f"{_name(each)}: {shown}"
