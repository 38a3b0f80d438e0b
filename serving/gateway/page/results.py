"""The last score and load report as HTML, or the commands that make them."""

from html import escape

from serving.gateway.page.reports import Load, Quantile, Score, Step


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
    """Write what the last load showed, a line for each of its steps."""
    if found is None:
        return _absent("load", "puts mixed load on it, step by step,")
    run, verdict = found.run, found.verdict
    rows = "".join(_load_row(step) for step in found.steps)
    heads = (
        "Requests", "Failed", "Tokens/s", "First token, median", "First answer token, median",
        "95th percentile of it",
    )  # fmt: skip
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    version = f", vLLM {escape(run.vllm_version)}" if run.vllm_version else ""
    doubt = "Not to be trusted: " if verdict.measurement == "INVALID" else ""
    return (
        f"<p>{doubt}{escape(verdict.sentence)}</p>"
        '<div class="scroll" role="region" aria-label="Load" tabindex="0"><table>'
        f"<caption>{escape(run.scenario)}; {escape(run.date[:10])}{version}; "
        f"client on {escape(run.machine.cpu or 'an unknown processor')}</caption>"
        f'<thead><tr><th scope="col">Load</th>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _load_row(step: Step) -> str:
    row = step.rows[-1]
    cells = (
        f"{row.requests:,}",
        f"{sum(row.failures.values()):,}",
        f"{row.per_second.reasoning_tokens + row.per_second.answer_tokens:,.0f}",
        _milliseconds(row.ttft.p50),
        _milliseconds(row.ttfat.p50),
        _milliseconds(row.ttfat.p95),
    )
    return (
        f'<tr><th scope="row">{escape(step.label)}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _milliseconds(quantile: Quantile) -> str:
    value = quantile.value
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
