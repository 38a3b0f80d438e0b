"""What a run comes to: the objects of `summary.json`, written and read here and nowhere else.

Times are seconds. A percentile or a bound that the sample is too small for is None; one that
falls on requests that never got so far is "never".
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

SCHEMA = 1
Seconds = float | Literal["never"] | None


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that does not change and refuses names it does not know."""


class Quantile(Frozen, frozen=True, kw_only=True):
    """One percentile and its 95 % confidence interval."""

    value: Seconds
    low: Seconds = None
    high: Seconds = None


class Spread(Frozen, frozen=True, kw_only=True):
    """How one time is spread over requests; `n` counts those that never came, too."""

    n: int
    least: Seconds = None
    mean: float | None = None  # of those that came
    p50: Quantile = Quantile(value=None)
    p90: Quantile = Quantile(value=None)
    p95: Quantile = Quantile(value=None)
    p99: Quantile = Quantile(value=None)
    p999: Quantile = Quantile(value=None)
    most: Seconds = None


class Share(Frozen, frozen=True, kw_only=True):
    """A share of requests with its 95 % Wilson interval; None where there is no request."""

    part: int
    whole: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Work(Frozen, frozen=True, kw_only=True):
    """Requests, tokens and pictures: as a mean of a request, or per second."""

    requests: float
    prompt_tokens: float  # pictures and cached tokens included
    cached_tokens: float
    image_tokens: float
    video_tokens: float
    images: float
    reasoning_tokens: float
    answer_tokens: float

    @property
    def output_tokens(self) -> float:
        """Return thought and answer together."""
        return self.reasoning_tokens + self.answer_tokens


class Row(Frozen, frozen=True, kw_only=True):
    """The counted requests of one kind in one step, or all of them (`kind` "all").

    `per_second` is what happened within the counted window; `mean` is of answered requests whose
    usage is known. Times from `scheduled` are those a user sees and the objectives judge.
    """

    kind: str
    requests: int
    failures: dict[str, int]  # by outcome and status
    right: Share  # of the answered ones with a known answer
    answered: Share
    good: Share  # answered, not empty, every time objective met
    good_per_second: float
    in_flight: float  # mean over the counted window
    per_second: Work
    per_second_error: Work | None = None  # half the width of each figure's 95 % interval
    mean: Work | None
    truncated: int  # answered, but cut off by max_tokens
    without_usage: int
    cost_usd: float | None
    ttft: Spread  # scheduled to first token of any kind
    ttfat: Spread  # scheduled to first answer token
    thinking: Spread  # first token to first answer token
    tpot: Spread  # seconds per token after the first
    answer_tpot: Spread
    itl: Spread  # event to event, pooled
    e2e: Spread  # scheduled to last token
    service_ttft: Spread  # sent to first token
    service_ttfat: Spread
    lateness: Spread  # scheduled to sent
    upload: Spread  # sent to body handed over
    output_speed: Spread  # tokens per second of one stream, from first to last token


class Met(StrEnum):
    """What can be said of an objective."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"  # too few samples


class Judgement(Frozen, frozen=True, kw_only=True):
    """One objective, judged over one step."""

    objective: str  # such as "ttft p95 <= 2 s"
    measured: Seconds
    limit: float
    met: Met
    sure: bool  # the confidence interval lies on one side of the limit
    kind: str = "all"  # or those it asks of, joined by commas
    more_requests: int = 0  # so many are missing where it is undecided
    more_seconds: float | None = None  # that take about so long at this step's pace


class StepResult(Frozen, frozen=True, kw_only=True):
    """One step of a run: what was offered, when, and what came of it; the last row is "all"."""

    index: int
    label: str  # such as "8 users" or "2.5 requests/s"
    users: int | None
    rate_per_second: float | None
    until_rate_per_second: float | None
    arrivals: str | None
    began_seconds: float
    counted_from_seconds: float
    ended_seconds: float  # no request is sent from here on
    drain_seconds: float  # how long those in flight were awaited
    in_flight_at_end: int
    censored: int
    settling_requests: int  # not counted
    settling_failures: int
    rows: tuple[Row, ...]
    judgements: tuple[Judgement, ...]
    met: Met

    @property
    def all(self) -> Row:
        """Return the row of all kinds."""
        return self.rows[-1]


class Certificate(Frozen, frozen=True, kw_only=True):
    """How far the client's own times can be trusted, measured during this run."""

    valid: bool
    reasons: tuple[str, ...]  # why not, one sentence each
    timing_error_p50_seconds: float | None  # against an engine that records true send times
    timing_error_p99_seconds: float | None
    timing_samples: int
    timing_bound_seconds: float | None  # max(1 ms, 2 % of the median time to first token)
    send_lateness_p99_seconds: float | None
    client_cpu_share: float  # of one core, by the busiest worker, in the busiest second
    events_per_second: float  # the busiest second
    events_per_core_second: float | None  # how many this client can read on this machine
    round_trip_seconds: float | None
    clock: str  # where an arrival's time comes from
    real_time: bool = False  # whether every load process ran before ordinary ones


class Verdict(Frozen, frozen=True, kw_only=True):
    """The run in a few words."""

    measurement: Literal["VALID", "INVALID"]
    partial: str | None  # why the run is not whole
    objectives: Met
    sentence: str
    best_step: int | None  # the highest load that meets the objectives


class Summary(Frozen, frozen=True, kw_only=True):
    """Everything that a run showed."""

    run: dict[str, Any]
    verdict: Verdict
    certificate: Certificate
    objectives: dict[str, Any]  # the file's content
    steps: tuple[StepResult, ...]
    models: dict[str, int]
    schema: int = SCHEMA


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary; raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")


def read_summary(path: Path) -> Summary:
    """Read one back; raises OSError and msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Summary)
