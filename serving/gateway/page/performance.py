"""The tab Performance: how fast answers come, how many, and how they end, of all keys together."""

from collections.abc import Callable, Sequence
from typing import Final

from serving.gateway.page import amounts
from serving.gateway.page.activity import WINDOWS, Activity, Measured
from serving.gateway.page.amounts import NOTHING
from serving.gateway.page.axis import Axis
from serving.gateway.page.card import Card, Column, Figure, cells
from serving.gateway.page.choice import choice
from serving.gateway.page.invitation import invitation
from serving.gateway.page.plot import Plot, Series, Values
from serving.gateway.performance import (
    LEAST_FOR_UPTIME,
    LEAST_REQUESTS,
    Tally,
    first_answer_ms,
    latency_ms,
    throughput,
)
from serving.gateway.record import Record

SOURCES: Final = {window: f"/page/performance?window={window}" for window in WINDOWS}
NAMES: Final = {"15m": "15 minutes", "1h": "1 hour", "6h": "6 hours", "24h": "24 hours"}
PERCENTS: Final = (50, 95)
NOTE: Final = (
    "All keys together; times are UTC, and the last bucket still runs. A point needs "
    f"{LEAST_REQUESTS[50]} requests for p50 and {LEAST_REQUESTS[95]} for p95; where there are "
    f"fewer than {LEAST_REQUESTS[50]}, each ring is a request."
)
VERDICTS: Final = {
    "ok": "Answered",
    "refused": "Refused",
    "cancelled": "Cancelled",
    "failed": "Failed",
}


def performance_html(activity: Activity) -> str:
    """Write the tab."""
    sources = {NAMES[window]: source for window, source in SOURCES.items()}
    choices = choice("Time shown", sources, SOURCES[activity.window])
    shown = _cards(activity) if activity.whole.requests else _nothing(activity.window)
    return f"{choices}\n{shown}"


def _nothing(window: str) -> str:
    return invitation(
        "plot-nothing",
        f"No requests in the last {NAMES[window].removeprefix('1 ')}",
        "As soon as somebody asks, this shows how long first tokens and answers took, how fast "
        "tokens came, and how many requests were answered.",
    )


def _cards(activity: Activity) -> str:
    cards = (
        _times(
            activity,
            latency_ms,
            plot_id="plot-first-token",
            title="Time to first token",
            about="From a stream's headers to its first token, of thought or answer.",
        ),
        _times(
            activity,
            first_answer_ms,
            plot_id="plot-first-answer",
            title="Time to first answer token",
            about="From a stream's headers to the first token of its answer: the thought is over.",
        ),
        _output(activity),
        _speed(activity),
        _uptime(activity),
        _requests(activity),
    )
    drawn = "\n".join(card.html() for card in cards)
    return f'<p class="plot-about">{NOTE}</p>\n<div class="plot-cards">\n{drawn}\n</div>'


def _times(
    activity: Activity,
    measure_ms: Callable[[Record], float | None],
    *,
    plot_id: str,
    title: str,
    about: str,
) -> Card:
    """Show p50 and p95 of a time, in seconds."""
    measured = activity.measured(lambda record: _seconds(measure_ms(record)))
    p50, p95 = (measured.percentiles(percent) for percent in PERCENTS)
    series = (Series("p50", p50, 1, measured.singles), Series("p95", p95, 2))
    plot = Plot(
        id=plot_id,
        title=title,
        unit="seconds",
        span=activity.span,
        axis=Axis.over(value for each in series for value in each.measured),
        series=series,
        say=amounts.seconds,
    )
    figures = [
        Figure(each.name, _said(measured.overall(percent), amounts.seconds), each.look)
        for each, percent in zip(series, PERCENTS, strict=True)
    ]
    columns = [Column("p50, s", cells(p50, ".3f")), Column("p95, s", cells(p95, ".3f"))]
    return Card(plot, figures, about, [*columns, *_evidence(measured, "s", ".3f")])


def _speed(activity: Activity) -> Card:
    """Show the throughput of one request."""
    measured = activity.measured(throughput)
    series = Series("p50", measured.percentiles(50), 1, measured.singles)
    plot = Plot(
        id="plot-request-throughput",
        title="Throughput of a request",
        unit="tokens/s",
        span=activity.span,
        axis=Axis.over(series.measured),
        series=(series,),
        say=amounts.rate,
    )
    column = Column("p50, tokens/s", cells(series.values, ",.1f"))
    return Card(
        plot,
        [Figure("p50", _said(measured.overall(50), amounts.rate))],
        "A request's output tokens by all of its time, waiting included, as OpenRouter counts it.",
        [column, *_evidence(measured, "tokens/s", ",.1f")],
    )


def _output(activity: Activity) -> Card:
    """Show what the server puts out in all."""
    rates = activity.output_rates
    plot = Plot(
        id="plot-output",
        title="Throughput of the server",
        unit="tokens/s",
        span=activity.span,
        axis=Axis.over(rates),
        series=(Series("all requests", rates, 1),),
        say=amounts.rate,
    )
    return Card(
        plot,
        [Figure("mean", amounts.rate(activity.output_rate))],
        "Output tokens of all requests that began in a bucket, thought and answer, by its seconds.",
        [Column("tokens/s", cells(rates, ",.1f"))],
    )


def _uptime(activity: Activity) -> Card:
    """Show the share of answered requests among those that the server was to answer."""
    tallies = activity.tallies
    uptime = Values([tally.uptime(LEAST_REQUESTS[50]) for tally in tallies])
    refused = Values([_refused(tally) for tally in tallies])
    plot = Plot(
        id="plot-uptime",
        title="Uptime",
        unit="%",
        span=activity.span,
        axis=Axis.share(uptime),
        series=(Series("uptime", uptime, 1),),
        say=amounts.percent,
    )
    return Card(
        plot,
        [
            Figure("uptime", _said(activity.whole.uptime(), amounts.percent)),
            Figure("refused, apart", _said(_refused(activity.whole), amounts.percent)),
        ],
        "Answered requests as a share of answered and failed ones; what was refused or cancelled "
        f"is left out. A point needs {LEAST_REQUESTS[50]} requests, the figure {LEAST_FOR_UPTIME}.",
        [
            Column("Uptime", [_said(value, amounts.percent) or NOTHING for value in uptime]),
            Column("Refused, of all", [_said(v, amounts.percent) or NOTHING for v in refused]),
            Column("Judged requests", cells([t.ok + t.failed for t in tallies], ",d")),
        ],
    )


def _requests(activity: Activity) -> Card:
    """Show how many requests there were, and how they ended."""
    tallies, whole = activity.tallies, activity.whole
    series = tuple(
        Series(name, Values([getattr(tally, verdict) for tally in tallies]), look)
        for look, (verdict, name) in enumerate(VERDICTS.items(), 1)
    )
    plot = Plot(
        id="plot-requests",
        title="Requests",
        unit="requests",
        span=activity.span,
        axis=Axis.over([tally.requests for tally in tallies], whole=True),
        series=series,
        say=amounts.count,
        stacked=True,
    )
    return Card(
        plot,
        [
            Figure(each.name, amounts.count(getattr(whole, verdict)), each.look)
            for each, verdict in zip(series, VERDICTS, strict=True)
        ],
        "Requests for an answer by how they ended. Refused: over a limit or not valid; cancelled: "
        "the client hung up; failed: the server's fault.",
        [Column(each.name, cells(each.values, ",.0f")) for each in series],
    )


def _evidence(measured: Measured, unit: str, form: str) -> Sequence[Column]:
    """Return the columns that say how many requests a point stands for, and the single ones."""
    singles = (" · ".join(format(value, form) for value in each) for each in measured.singles)
    return (
        Column("Measured requests", cells(measured.counts, ",.0f")),
        Column(f"Single requests, {unit}", list(singles)),
    )


def _refused(tally: Tally) -> float | None:
    return 100 * tally.refused / tally.requests if tally.requests else None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _said(value: float | None, say: Callable[[float], str]) -> str | None:
    return None if value is None else say(value)
