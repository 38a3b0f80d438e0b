"""Results folders as a load test leaves them, made up: a service with so many places, and a queue.

The figures are computed here, apart from the load tests' own arithmetic.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from loadtests.observed import Reading
from loadtests.outcome import Outcome
from loadtests.records import Record, record_file
from loadtests.result import (
    Certificate,
    Judgement,
    Met,
    Quantile,
    Row,
    Share,
    Spread,
    StepResult,
    Summary,
    Verdict,
    Work,
    write_summary,
)

KINDS = {"short text": 0.1, "one picture": 0.25, "long thought": 1.4}  # seconds of thinking
SMALLEST = {"p50": 11, "p90": 64, "p95": 130, "p99": 662, "p999": 6636}
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
STEP_SECONDS, SETTLE_SECONDS = 12.0, 3.0
PLACES = 8  # requests that run at once
LIMITS = {"ttft": 0.5, "ttfat": 2.5}
RUN: dict[str, Any] = {
    "command": "make load URL=http://127.0.0.1:8000 SCENARIO=mixed",
    "scenario": "mixed",
    "question": "What do people get when everything is asked at once?",
    "seed": 20260701,
    "url": "http://127.0.0.1:8000/v1",
    "model_asked": "tiny-qwen3-vl",
    "model_served": "tiny-qwen3-vl",
    "vllm_version": "0.32.0",
    "server": {"image": "none", "revision": "3f1c9a", "settings": "b52f6c1e"},
    "date": "2026-11-21T22:30:00+00:00",
    "git_commit": "1360420",
    "git_clean": True,
    "machine": {"cpu": "a processor", "cores": 2, "gpu": None},
}


@dataclass
class Made:
    """What a folder is made of."""

    users: Sequence[int] = (1, 2, 4, 8, 16, 32)
    failing: float = 0.01
    run: dict[str, Any] = field(default_factory=lambda: dict(RUN))
    metrics: bool = True
    requests_per_user_second: float = 4.0
    kinds: Sequence[str] = tuple(KINDS)
    detail: str = "the engine is busy"
    seed: int = 1


def write(folder: Path, made: Made | None = None) -> Summary:
    """Write a results folder; return its summary."""
    made = made or Made()
    folder.mkdir(parents=True, exist_ok=True)
    records = [each for n in range(len(made.users)) for each in records_of(n, made)]
    with record_file(folder / "requests.jsonl", made.run) as file:
        for record in records:
            file.write(record)
    summary = summary_of(records, made)
    write_summary(folder / "summary.json", summary)
    if made.metrics:
        lines = [msgspec.json.encode(each) + b"\n" for each in readings_of(made)]
        (folder / "metrics.jsonl").write_bytes(b"".join(lines))
    return summary


def records_of(step: int, made: Made) -> list[Record]:
    """Return the requests of a step: slower with more users, one in a burst that fails."""
    chance = random.Random(f"{made.seed} {step}")
    users, began = made.users[step], step * (STEP_SECONDS + 1)
    crowd = max(1.0, users / PLACES)
    whole = max(1, round(users * STEP_SECONDS * made.requests_per_user_second / crowd))
    found = []
    for number in range(whole):
        kind = made.kinds[number % len(made.kinds)]
        due = began + STEP_SECONDS * number / whole
        wait = 0.04 * crowd**1.7 * chance.lognormvariate(0, 0.35)
        thought = KINDS.get(kind, 0.3) * crowd**0.8 * chance.lognormvariate(0, 0.3)
        burst = 0.4 < (due - began) / STEP_SECONDS < 0.5
        failed = chance.random() < made.failing * (6 if burst else 1)
        found.append(_record(step * 10**6 + number, kind, step, due, wait, thought, failed, made))
    return found


def _record(number, kind, step, due, wait, thought, failed, made):  # type: ignore[no-untyped-def]
    tokens = round(100 * thought) + 20
    times: dict[str, Any] = {"first_token_seconds": wait, "first_reasoning_seconds": wait}
    outcome: dict[str, Any] = {"outcome": Outcome.ANSWERED, "status": 200, "finish_reason": "stop"}
    answered = {"first_answer_seconds": wait + thought, "last_token_seconds": wait + thought + 0.2}
    if failed and number % 2:
        times, answered = {}, {}
        outcome = {"outcome": Outcome.HTTP_ERROR, "status": 503, "detail": made.detail}
    elif failed:
        answered = {}
        outcome = {"outcome": Outcome.CENSORED, "status": 200}
    return Record(
        number=number,
        kind=kind,
        step=step,
        scheduled_seconds=due,
        sent_seconds=due + 0.0002,
        done_seconds=wait + thought + 0.21,
        prompt_tokens=60,
        completion_tokens=tokens,
        reasoning_tokens=tokens - 20,
        model=made.run["model_served"],
        fragments=tokens,
        body_bytes=900,
        **times,
        **answered,
        **outcome,
    )


def counted(records: Sequence[Record], step: int) -> list[Record]:
    """Return the requests of a step that were due after it had settled."""
    since = step * (STEP_SECONDS + 1) + SETTLE_SECONDS
    return [r for r in records if r.step == step and r.scheduled_seconds >= since]


def spread_of(times: Sequence[float | None]) -> Spread:
    """Spread times by nearest rank; None is one that never came."""
    ranked = sorted(math.inf if time is None else time for time in times)
    came = [time for time in ranked if time < math.inf]

    def told(value: float) -> Any:
        return "never" if value == math.inf else value

    found = {}
    for name, share in SHARES.items():
        if len(ranked) >= SMALLEST[name]:
            at = math.ceil(share * len(ranked)) - 1
            low, high = (ranked[min(max(0, at + d), len(ranked) - 1)] for d in (-5, 5))
            found[name] = Quantile(value=told(ranked[at]), low=told(low), high=told(high))
    ends = {"least": told(ranked[0]), "most": told(ranked[-1])} if ranked else {}
    return Spread(n=len(ranked), mean=sum(came) / len(came) if came else None, **ends, **found)


def share_of(part: int, whole: int) -> Share:
    """Return a share with a rough interval."""
    if not whole:
        return Share(part=0, whole=0)
    value = part / whole
    half = 1.96 * math.sqrt(max(value * (1 - value), 0.25 / whole) / whole)
    return Share(
        part=part, whole=whole, value=value, low=max(0, value - half), high=min(1, value + half)
    )


def row_of(kind: str, records: Sequence[Record], seconds: float) -> Row:
    """Return the figures of a kind's requests."""
    ttft = [r.since_scheduled(r.first_token_seconds) for r in records]
    ttfat = [r.since_scheduled(r.first_answer_seconds) for r in records]
    good = sum(
        r.answered
        and a is not None
        and f is not None
        and a <= LIMITS["ttfat"]
        and f <= LIMITS["ttft"]
        for r, f, a in zip(records, ttft, ttfat, strict=True)
    )
    answered = [r for r in records if r.answered]
    failures = Counter(f"{r.outcome}" for r in records if not r.answered)
    thinking = [
        a - f if a is not None and f is not None else None for f, a in zip(ttft, ttfat, strict=True)
    ]
    usage = {
        "prompt_tokens": 60.0, "cached_tokens": 16.0, "image_tokens": 8.0, "video_tokens": 0.0,
        "images": 0.3, "answer_tokens": 20.0,
        "reasoning_tokens": sum(r.reasoning_tokens or 0 for r in answered) / max(1, len(answered)),
    }  # fmt: skip
    rate = len(answered) / seconds
    none = spread_of([])
    return Row(
        kind=kind, requests=len(records), failures=dict(failures), right=share_of(0, 0),
        answered=share_of(len(answered), len(records)), good=share_of(good, len(records)),
        good_per_second=good / seconds, in_flight=3.0,
        per_second=Work(requests=rate, **{name: rate * value for name, value in usage.items()}),
        per_second_error=Work(requests=0.1, **dict.fromkeys(usage, 0.5)),
        mean=Work(requests=1.0, **usage) if answered else None, truncated=0, without_usage=0,
        cost_usd=0.001, ttft=spread_of(ttft), ttfat=spread_of(ttfat), thinking=spread_of(thinking),
        tpot=spread_of([0.012 for _ in answered]), answer_tpot=none, itl=none,
        e2e=spread_of([r.since_scheduled(r.last_token_seconds) for r in records]),
        service_ttft=spread_of(ttft), service_ttfat=spread_of(ttfat),
        lateness=spread_of([r.lateness_seconds for r in records]), upload=none, output_speed=none,
    )  # fmt: skip


def judge(row: Row, name: str) -> Judgement:
    """Judge p95 of a time; undecided where it is absent."""
    spread: Spread = getattr(row, name)
    value, limit = spread.p95.value, LIMITS[name]
    late = value == "never" or (isinstance(value, float) and value > limit)
    met = Met.UNDECIDED if value is None else Met.MISSED if late else Met.MET
    return Judgement(
        objective=f"{name} p95 <= {limit:g} s", measured=value, limit=limit, met=met, sure=not late
    )


def step_of(index: int, records: Sequence[Record], made: Made) -> StepResult:
    """Return the figures of a step."""
    began, users = index * (STEP_SECONDS + 1), made.users[index]
    mine = counted(records, index)
    kinds = sorted({r.kind for r in mine})
    seconds = STEP_SECONDS - SETTLE_SECONDS
    rows = [row_of(kind, [r for r in mine if r.kind == kind], seconds) for kind in kinds]
    rows.append(row_of("all", mine, seconds))
    judgements = tuple(judge(rows[-1], name) for name in LIMITS)
    mets = [each.met for each in judgements]
    met = Met.MISSED if Met.MISSED in mets else Met.UNDECIDED if Met.UNDECIDED in mets else Met.MET
    return StepResult(
        index=index, label=f"{users} user{'s' * (users != 1)}", users=users, rate_per_second=None,
        until_rate_per_second=None, arrivals=None, began_seconds=began,
        counted_from_seconds=began + SETTLE_SECONDS, ended_seconds=began + STEP_SECONDS,
        drain_seconds=0.5, in_flight_at_end=users, censored=0, settling_requests=4,
        settling_failures=0, rows=tuple(rows), judgements=judgements, met=met,
    )  # fmt: skip


def summary_of(records: Sequence[Record], made: Made) -> Summary:
    """Return the summary of a run."""
    steps = tuple(step_of(index, records, made) for index in range(len(made.users)))
    best = max((step.index for step in steps if step.met is Met.MET), default=None)
    met = Met.MISSED if best is None else Met.MET
    label = next((step.label for step in steps if step.index == best), "")
    return Summary(
        run=made.run,
        verdict=Verdict(
            measurement="VALID", partial=None, objectives=met, best_step=best,
            sentence=f"Up to {label} every objective was met." if label else "None was met.",
        ),
        certificate=Certificate(
            valid=True, reasons=(), timing_error_p50_seconds=41e-6,
            timing_error_p99_seconds=310e-6, timing_samples=2310, timing_bound_seconds=0.001,
            send_lateness_p99_seconds=0.0004, client_cpu_share=0.21, events_per_second=3210,
            events_per_core_second=61000, round_trip_seconds=80e-6, clock="kernel receive time",
        ),
        objectives={
            "about": "What a person in front of a chat notices.",
            "objectives": [{"metric": "ttft", "reason": "People doubt that they were heard."}],
        },
        steps=steps,
        models={made.run["model_served"]: len(records)},
    )  # fmt: skip


def readings_of(made: Made) -> list[Reading]:
    """Return a reading each second, with a gap of three in which nobody answered."""
    found, tokens, hits = [], 0.0, 0.0
    for second in range(round(len(made.users) * (STEP_SECONDS + 1))):
        users = made.users[min(len(made.users) - 1, int(second // (STEP_SECONDS + 1)))]
        running = min(users, PLACES)
        tokens += 90 * running * (1 + 0.1 * math.sin(second))
        hits += running
        values = {
            "vllm:num_requests_running": float(running),
            "vllm:num_requests_waiting": float(users - running),
            "vllm:kv_cache_usage_perc": running / 20,
            "vllm:generation_tokens_total": tokens,
            "vllm:prompt_tokens_total": tokens / 3,
            "vllm:prefix_cache_queries_total": 3 * hits,
            "vllm:prefix_cache_hits_total": 2 * hits,
            "gateway_requests_running": float(users),
            "gateway_requests_queued": float(max(0, users - 16)),
            "process_cpu_seconds_total": 0.9 * second,
            "process_resident_memory_bytes": 2.1e9,
        }
        out = 20 <= second < 23
        silent = ("127.0.0.1:9000/metrics",) if out else ()
        found.append(Reading(second + 0.02, {} if out else values, silent))
    return found
