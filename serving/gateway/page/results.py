"""The last score and load report as HTML, or the commands that make them."""

from collections.abc import Sequence
from html import escape
from typing import Final

from serving.gateway.page.reports import Load, Row, Score, Seconds

ALL: Final = "all"
MEDIAN, HIGH = 0.5, 0.95


def score(found: Score | None, day: str) -> str:
    """Write the share of right answers of each task."""
    if found is None:
        return _absent("score", "examines this server with questions whose answers are known")
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in found.shares)
    tasks = dict.fromkeys(task for shares in found.shares.values() for task in shares)
    rows = "".join(
        f'<tr><th scope="row">{escape(task)}</th>'
        + "".join(f"<td>{_share(shares.get(task))}</td>" for shares in found.shares.values())
        + "</tr>"
        for task in tasks
    )
    return (
        '<div class="scroll" role="region" aria-label="Score" tabindex="0"><table>'
        f"<caption>Right answers of {found.questions:,} questions a task and sampling; {day}"
        f'</caption><thead><tr><th scope="col">Task</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def load(found: Load | None) -> str:
    """Write what the last load showed, a line for each kind of request."""
    if found is None:
        return _absent("load", "puts 30 seconds of mixed load on it")
    run = found.run
    middle, high = (_rank(found.summary.percentiles, each) for each in (MEDIAN, HIGH))
    rows = "".join(_load_row(row, middle, high) for row in found.summary.rows)
    heads = (
        "Requests", "Failed", "Tokens/s", "First token, median", "First answer token, median",
        "95th percentile of it",
    )  # fmt: skip
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    users = f"{run.users} user{'s' * (run.users != 1)}"
    version = f", vLLM {escape(run.vllm_version)}" if run.vllm_version else ""
    return (
        '<div class="scroll" role="region" aria-label="Load" tabindex="0"><table>'
        f"<caption>{users} for {run.duration_seconds:g} s; {escape(run.date[:10])}{version}; "
        f"client on {escape(run.machine.cpu or 'an unknown processor')}</caption>"
        f'<thead><tr><th scope="col">Kind</th>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _load_row(row: Row, middle: int | None, high: int | None) -> str:
    kind = "<b>all</b>" if row.kind == ALL else escape(row.kind)
    cells = (
        f"{row.requests:,}",
        f"{row.failures:,}",
        f"{row.tokens_per_second:,.0f}",
        _milliseconds(row.first_token.percentiles, middle),
        _milliseconds(row.first_answer.percentiles, middle),
        _milliseconds(row.first_answer.percentiles, high),
    )
    return (
        f'<tr><th scope="row">{kind}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    )


def _rank(percentiles: list[float], wanted: float) -> int | None:
    return percentiles.index(wanted) if wanted in percentiles else None


def _milliseconds(values: Sequence[Seconds], rank: int | None) -> str:
    value = None if rank is None or rank >= len(values) else values[rank]
    if isinstance(value, float | int):
        return f"{1000 * value:,.0f} ms"
    return "never" if value else "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _absent(target: str, what: str) -> str:
    return (
        f'<p class="note">Nothing measured yet for this model. <code>make {target}</code> {what} '
        "and leaves its report where this page finds it.</p>"
    )
