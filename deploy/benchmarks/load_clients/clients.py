"""What a load client is to this benchmark: a command to run, and a reader of what it reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
# The Hugging Face hub is out of reach here: prompts are counted with a tokenizer of this clone.
TOKENIZER = ROOT / "serving" / "tiny_model" / "checkpoint"
PROMPT_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Order:
    """What a client is asked to do; `by_time` ends the run after `seconds` with streams open.

    A client that can end only by a count or only by time takes the one it has.
    """

    url: str
    folder: Path
    streams: int
    requests: int
    seconds: int
    output_tokens: int
    by_time: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """What a client reports of one answered request, in seconds since it was sent."""

    first_token: float
    first_answer: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Report:
    """A client's results: answered requests in order of their start, or of their end.

    `failed` is the number that it calls failed; `unfinished` the number that it names as not
    finished; `gaps` are the seconds between events, None where it keeps no such times. An
    `error_rate` is the one it prints where that is not what its requests amount to.
    """

    answered: Sequence[Times]
    failed: int
    unfinished: int = 0
    gaps: Sequence[float] | None = None
    error_rate: float | None = None

    @property
    def requests(self) -> int:
        """Return the number of requests that the report accounts for."""
        return len(self.answered) + self.failed + self.unfinished

    @property
    def told_error_rate(self) -> float:
        """Return the share of requests that the client calls failed."""
        if self.error_rate is not None:
            return self.error_rate
        return self.failed / max(1, len(self.answered) + self.failed)


@dataclass(frozen=True, slots=True)
class Client:
    """A load client: `environment` is the requirement file it is installed from, if any.

    `probes` is the number of requests that it streams before the run it reports.
    """

    name: str
    version: str
    environment: str | None
    command: Callable[[Order], list[str]]
    read: Callable[[Order], Report]
    settings: str  # where its settings come from, one sentence
    probes: int = 0
