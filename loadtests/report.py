"""A summary as JSON and as a text table; pure."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from loadtests.summary import PERCENTILES, Row, Spread, Summary, smallest_sample

NOT_ENOUGH = "–"
NEVER = "never"


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary for a JSON file: a time that never came is "never"."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return NEVER if isinstance(value, float) and math.isinf(value) else value

    return {"percentiles": list(PERCENTILES), **clean(asdict(summary))}


def table(summary: Summary, run: dict[str, Any]) -> str:
    """Lay a summary out as text; `run` is the provenance of the same run."""
    lines = [*_title(summary, run), ""]
    if summary.rows:
        lines += [*_counts(summary), ""]
        lines += _block("time to first token, ms", summary, lambda row: row.first_token)
        lines += _block("time to first answer token, ms", summary, lambda row: row.first_answer)
        lines += _block("time per token after the first, ms", summary, lambda row: row.token_time)
    return "\n".join(lines + _notes(summary)) + "\n"


def _title(summary: Summary, run: dict[str, Any]) -> list[str]:
    served = ", ".join(summary.models) or "no model"
    asked = run["model_asked"]
    other = f" (asked for {asked})" if [asked] != list(summary.models) else ""
    machine = run["machine"]
    return [
        f"{run['scenario']} on {run['url']}: {served} answered{other}",
        f"{run['users']} users, one request at a time each, {summary.phase.load_seconds:.1f} s, "
        f"the first {summary.phase.warmup_seconds:g} s not counted; seed {run['seed']}",
        f"vLLM {run['vllm_version'] or 'version not told'}; commit {run['git_commit'] or 'none'}",
        f"client on {machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}",
    ]


def _counts(summary: Summary) -> list[str]:
    lines = [f"{'':14}{'requests':>10}{'failures':>10}{'right':>10}{'tokens/s':>10}"]
    for row in summary.rows:
        counts = f"{row.requests:>10}{row.failures:>10}{row.right:>10}"
        lines.append(f"{row.kind:14}{counts}{row.tokens_per_second:>10.1f}")
    models = ", ".join(summary.models) or "no model"
    lines.append(f"{'':14}tokens per second are those of {models}, thoughts included")
    return lines


def _block(title: str, summary: Summary, pick: Callable[[Row], Spread]) -> list[str]:
    names = [f"p{100 * p:.0f}" for p in PERCENTILES]
    heads = "".join(f"{name:>9}" for name in ["n", "least", *names, "most"])
    lines = [title, f"{'':14}{heads}"]
    for row in summary.rows:
        shown = pick(row)
        values = [shown.least, *shown.percentiles, shown.most]
        cells = "".join(f"{_cell(value):>9}" for value in values)
        lines.append(f"{row.kind:14}{shown.size:>9}{cells}")
    return [*lines, ""]


def _cell(value: float | None) -> str:
    if value is None:
        return NOT_ENOUGH
    return NEVER if math.isinf(value) else f"{1000 * value:.1f}"


def _notes(summary: Summary) -> list[str]:
    phase = summary.phase
    enough = ", ".join(f"p{100 * p:.0f} from {smallest_sample(p)}" for p in PERCENTILES)
    failures = ", ".join(f"{count} × {name}" for name, count in summary.failures.items())
    notes = [
        f"{NOT_ENOUGH}: too few requests ({enough})",
        f"{NEVER}: so many requests failed before they got that far",
        f"failures: {failures or 'none'}; in the warm-up: {summary.warmup_failures} "
        f"of {summary.warmup_requests} requests",
        f"in flight at the end: {phase.in_flight_at_end}, awaited {phase.drain_seconds:.1f} s; "
        f"client's own delay: {1000 * phase.client_lag_seconds:.0f} ms at most",
    ]
    if not summary.rows:
        notes.insert(0, "No request was sent after the warm-up: nothing is measured.")
    if phase.interrupted:
        notes.append("interrupted: requests in flight were broken off")
    if summary.cut_answers:
        notes.append(f"answers cut off by max_tokens: {summary.cut_answers}")
    if summary.without_usage:
        notes.append(f"answers without usage, not in tokens per second: {summary.without_usage}")
    if summary.repeated_pictures:
        notes.append(f"pictures sent before, so perhaps cached: {summary.repeated_pictures}")
    return notes
