"""What is read from one record: the times of README.md's definitions, and its tokens; pure."""

from collections.abc import Callable, Sequence

from loadtests.outcome import Outcome
from loadtests.records import Record
from loadtests.statistics.intervals import NEVER

MICROSECONDS = 1e-6


def measured(record: Record, name: str) -> float | None:
    """Return one of `TIMES` in seconds: NEVER where a failed request did not get so far.

    None where it cannot be told of an answered request: its time per token without its usage.
    """
    seconds = TIMES[name](record)
    return NEVER if seconds is None and not record.answered else seconds


def output_speed(record: Record) -> float | None:
    """Return the tokens per second of one stream: 0 for one that failed, None if not known."""
    seconds = TIMES["tpot"](record)
    if seconds:
        return 1 / seconds
    return None if record.answered else 0.0


def answer_tokens(record: Record) -> int:
    """Return the tokens of the answer; thought and answer where the endpoint tells but one sum."""
    return (record.completion_tokens or 0) - (record.reasoning_tokens or 0)


def _complete(record: Record) -> bool:
    """Tell whether the last token seen was the last one written."""
    return record.outcome in {Outcome.ANSWERED, Outcome.NO_ANSWER}


def _ttft(record: Record) -> float | None:
    return record.since_scheduled(record.first_token_seconds)


def _ttfat(record: Record) -> float | None:
    return record.since_scheduled(record.first_answer_seconds)


def _thinking(record: Record) -> float | None:
    first, answer = record.first_token_seconds, record.first_answer_seconds
    return None if first is None or answer is None else answer - first


def _e2e(record: Record) -> float | None:
    return record.since_scheduled(record.last_token_seconds) if _complete(record) else None


def _tpot(record: Record) -> float | None:
    return _pace(record, record.first_token_seconds, record.completion_tokens or 0)


def _answer_tpot(record: Record) -> float | None:
    if record.reasoning_tokens is None and record.first_reasoning_seconds is not None:
        return None
    return _pace(record, record.first_answer_seconds, answer_tokens(record))


def _pace(record: Record, first: float | None, tokens: int) -> float | None:
    """Return the seconds per token after the first of them."""
    last = record.last_token_seconds
    if first is None or last is None or tokens < 2 or not _complete(record):
        return None
    return (last - first) / (tokens - 1)


TIMES: dict[str, Callable[[Record], float | None]] = {
    "ttft": _ttft,
    "ttfat": _ttfat,
    "thinking": _thinking,
    "tpot": _tpot,
    "answer_tpot": _answer_tpot,
    "e2e": _e2e,
    "service_ttft": lambda record: record.first_token_seconds,
    "service_ttfat": lambda record: record.first_answer_seconds,
    "lateness": lambda record: record.lateness_seconds,
    "upload": lambda record: record.uploaded_seconds,
}


def ordered(records: Sequence[Record], name: str) -> list[float]:
    """Return what requests measured, from good to bad: rising times, falling `output_speed`."""
    if name == "output_speed":
        return sorted((s for r in records if (s := output_speed(r)) is not None), reverse=True)
    return sorted(s for r in records if (s := measured(r, name)) is not None)
