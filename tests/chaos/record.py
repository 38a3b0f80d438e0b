"""What the client saw of one request, and what that amounts to. Times are of a monotonic clock."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Every dialect says it in an event of its own.
ERROR: Final = re.compile(
    rb'^data: (?=.*"error":\s*\{|.*"type":\s*"response\.failed").*"message":', re.MULTILINE
)
CODE: Final = re.compile(rb'"code":\s*"([a-z_]+)"')
ENDS: Final = (b"data: [DONE]", b'"type":"message_stop"', b"event: response.completed")


class Verdict(StrEnum):
    """How a request ended."""

    COMPLETE = "complete"  # the answer with its end
    ERROR_EVENT = "error event"  # a stream ended by a typed error
    REFUSED = "refused"  # a status that says no, with a body to its end
    BROKEN = "broken"  # anything else: no answer, or one that stops without a word
    LEFT = "left"  # the client hung up on purpose


@dataclass(slots=True)
class Record:
    """One request: when it should have been sent, when what came, and how it ended."""

    scheduled: float
    key: str | None = None
    sent: float = math.inf
    headers: float = math.inf
    first_event: float = math.inf
    ended: float = math.inf
    status: int = 0
    retry_after: str = ""
    error_code: str | None = None
    verdict: Verdict = Verdict.BROKEN

    @property
    def first_event_seconds(self) -> float:
        """Return the time to the first token, from when the request should have been sent."""
        return self.first_event - self.scheduled

    @property
    def decision_seconds(self) -> float:
        """Return how long a refusal took, from when the request should have been sent."""
        return self.headers - self.scheduled

    @property
    def says_when_to_come_again(self) -> bool:
        """Say whether Retry-After gives whole seconds."""
        return self.retry_after.isdigit() and int(self.retry_after) >= 1

    @property
    def is_busy(self) -> bool:
        """Say whether it is the refusal for overload: 429, and when to come again."""
        refused = self.verdict is Verdict.REFUSED
        return refused and self.status == 429 and self.says_when_to_come_again


def judge(status: int, tail: bytes, *, whole: bool, streamed: bool) -> Verdict:
    """Judge an answer by its status, its body's last bytes, and whether that came to its end."""
    if not whole:
        return Verdict.BROKEN
    if status != 200:
        return Verdict.REFUSED
    if not streamed:
        return Verdict.COMPLETE
    if errors := len(ERROR.findall(tail)):
        return Verdict.ERROR_EVENT if errors == 1 else Verdict.BROKEN
    return Verdict.COMPLETE if any(end in tail for end in ENDS) else Verdict.BROKEN


def error_code(tail: bytes) -> str | None:
    """Return the code of the error that a body's last bytes hold."""
    found = CODE.search(tail)
    return found[1].decode() if found else None


def ended_as(records: Iterable[Record], verdict: Verdict) -> list[Record]:
    """Return those that ended so."""
    return [record for record in records if record.verdict is verdict]


def tally(records: Iterable[Record]) -> str:
    """Count how they ended, for a reader."""
    counts: dict[str, int] = {}
    for record in records:
        name = str(record.verdict)
        if record.verdict in {Verdict.REFUSED, Verdict.ERROR_EVENT}:
            name += f" {record.status} {record.error_code}"
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
