"""The last score and load report, as the operator's folder has them."""

import logging
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from serving.store.address import default_path
from serving.store.daemon_thread import in_daemon_thread

logger = logging.getLogger(__name__)

SCORE_FILE: Final = "score.json"
LOAD_FILE: Final = "load.json"
MAX_REPORT_BYTES: Final = 16 * 2**20  # a score holds each wrong answer

Seconds = float | Literal["never"] | None


class Score(msgspec.Struct):
    """What `serving.tiny_model.score` writes: shares of right answers by sampling and task."""

    model: str
    questions: int
    shares: dict[str, dict[str, float]]


class Quantile(msgspec.Struct):
    """One percentile; None where there were too few requests."""

    value: Seconds


class Spread(msgspec.Struct):
    """How one time is spread over a load's requests."""

    p50: Quantile
    p95: Quantile


class PerSecond(msgspec.Struct):
    """What happened in a second of a load."""

    reasoning_tokens: float
    answer_tokens: float


class Row(msgspec.Struct):
    """The requests of one kind, or all, in one step of a load."""

    kind: str
    requests: int
    failures: dict[str, int]
    per_second: PerSecond
    ttft: Spread
    ttfat: Spread


class Step(msgspec.Struct):
    """One load that was kept for a while; its last row is of all kinds."""

    label: str
    rows: Annotated[list[Row], Meta(min_length=1)]


class Verdict(msgspec.Struct):
    """The run in a sentence, and whether its figures can be trusted."""

    measurement: Literal["VALID", "INVALID"]
    sentence: str


class Machine(msgspec.Struct, frozen=True):
    """What the load's client ran on."""

    cpu: str | None = None


class Run(msgspec.Struct):
    """Which load it was."""

    date: str
    scenario: str
    model_served: str
    vllm_version: str | None = None
    machine: Machine = Machine()


class Load(msgspec.Struct):
    """What `make load` writes as the summary of its run."""

    run: Run
    verdict: Verdict
    steps: list[Step]

    @property
    def model(self) -> str:
        """Return the model that answered."""
        return self.run.model_served


class Reports(NamedTuple):
    """The two reports with the days on which they were written; None where there is none."""

    score: Score | None
    load: Load | None
    score_day: str = ""


Report = TypeVar("Report", Score, Load)


async def read_reports(folder: Path | None, model: str) -> Reports:
    """Read a model's reports; a file of another model, or one that is damaged, counts as none."""
    place = folder or default_path().parent
    return await in_daemon_thread(partial(reports_in, place, model), "reports")


def reports_in(folder: Path, model: str) -> Reports:
    """Read the reports of a model in a folder, which may take time."""
    score, day = _report(folder / SCORE_FILE, Score)
    load, _ = _report(folder / LOAD_FILE, Load)
    return Reports(
        score if score and score.model == model else None,
        load if load and load.model == model else None,
        day,
    )


def _report(path: Path, kind: type[Report]) -> tuple[Report | None, str]:
    """Return a report and the day it was written, None where there is none that can be read."""
    try:
        status = path.stat()
    except OSError:
        return None, ""
    day = datetime.fromtimestamp(status.st_mtime, UTC).date().isoformat()
    return _decoded(path, kind, (status.st_mtime_ns, status.st_size)), day


@lru_cache(maxsize=8)
def _decoded(path: Path, kind: type[Report], version: tuple[int, int]) -> Report | None:
    """Read a file once for each version of it: when it was written, and its size in bytes."""
    if version[1] > MAX_REPORT_BYTES:
        logger.warning("%s is too large to be shown: over %d bytes", path, MAX_REPORT_BYTES)
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("%s cannot be shown: %s", path, error)
        return None
