"""How times are spread over the requests of one step: all of them, and kind by kind."""

from collections.abc import Iterator, Sequence
from typing import Final

from loadtests.report.axis import Axis, Tick, decades, share
from loadtests.report.figures import known, percent, round_seconds, seconds
from loadtests.report.folder import Run, Seen
from loadtests.report.frontier import limits
from loadtests.report.marks import Bars, Dots, Heading, Limit, Line, Note
from loadtests.report.plot import Mark, Plot, Point
from loadtests.report.timeline import ANSWER, FIRST, thinned
from loadtests.result import Row, StepResult

MOST_CORNERS: Final = 400  # of a curve
ROW_HEIGHT: Final = 58  # px: a name, and two strips of dots
NAME_AT: Final = 0.78  # of a row's height, so that its name stands under its upper side
BAR_HEIGHT: Final = 44  # px: a name, and a bar
THOUGHT: Final = 5


def curves(run: Run, step: StepResult) -> Plot:
    """Draw which share of requests had its first token, and its first answer token, by when."""
    counted = run.counted(step)
    first = _times([each.ttft for each in counted])
    answer = _times([each.ttfat for each in counted])
    judged = [
        (look, f"{percentile} ≤ {round_seconds(value)}", value)
        for metric, look in (("ttft", FIRST), ("ttfat", ANSWER))
        for percentile, value in limits(run.summary, metric).items()
    ]
    marks: list[Mark] = [
        *(
            Limit(value, words, look, upright=True, row=row)
            for row, (look, words, value) in enumerate(judged)
        ),
        Line("first token", FIRST, _curve(first, len(counted))),
        Line("first answer token", ANSWER, _curve(answer, len(counted))),
    ]
    row = step.all
    return Plot(
        id="distribution",
        title=f"Distribution of latency at {step.label}",
        told=(
            f"Of {len(counted)} requests, {len(first)} got a first token, half of them all within "
            f"{seconds(row.ttft.p50.value)}; {len(answer)} got a first answer token, half of them "
            f"all within {seconds(row.ttfat.p50.value)}."
        ),
        x=decades([*first, *answer]),
        y=share(),
        marks=tuple(marks),
        height=240,
        empty="" if first else "No request got a token",
    )


def _times(times: Sequence[float | None]) -> list[float]:
    return sorted(time for time in times if time is not None)


def _curve(times: Sequence[float], whole: int) -> list[Point | None]:
    """Return corners of the cumulative share; failures keep it below 100 %."""
    stride = max(1, len(times) // MOST_CORNERS)
    chosen = sorted({*range(0, len(times), stride), len(times) - 1} if times else ())
    corners: list[Point | None] = []
    for number in chosen:
        corners += [
            (times[number], 100 * number / whole),
            (times[number], 100 * (number + 1) / whole),
        ]
    return corners


def strips(run: Run, step: StepResult) -> Plot:
    """Draw a row for each kind: a dot for each request's two times, and their medians."""
    rows = [row for row in step.rows if row.kind != "all"]
    dotted = thinned(run.counted(step)).shown
    dots: list[Mark] = []
    times: list[float] = []
    for look, name in ((FIRST, "ttft"), (ANSWER, "ttfat")):
        points = list(_scattered(dotted, [row.kind for row in rows], name))
        times += [x for x, _ in points]
        dots.append(Dots("first token" if name == "ttft" else "first answer token", look, points))
    x = decades(times)
    names = [row.kind for row in rows]
    return Plot(
        id="kinds",
        title=f"Latency by kind at {step.label}",
        told=" ".join(
            f"{row.kind}: median {seconds(row.ttft.p50.value)} to first token, "
            f"{seconds(row.ttfat.p50.value)} to first answer token."
            for row in rows
        ),
        x=x,
        y=_rows_axis(names),
        marks=(*dots, *_medians(rows)),
        height=ROW_HEIGHT * max(1, len(rows)),
        empty="" if times else "No request got a token",
    )


def _scattered(requests: Sequence[Seen], kinds: Sequence[str], name: str) -> Iterator[Point]:
    """Lay requests over their kind's row, the first tokens in its upper half."""
    rows = {kind: len(kinds) - 1 - number for number, kind in enumerate(kinds)}
    base = 0.42 if name == "ttft" else 0.08
    for number, each in enumerate(requests):
        time = each.ttft if name == "ttft" else each.ttfat
        if time is not None and each.kind in rows:
            jitter = (number * 0.618034) % 1  # spread evenly, and the same at every drawing
            yield time, rows[each.kind] + base + 0.24 * jitter


def _medians(rows: Sequence[Row]) -> Iterator[Mark]:
    """Mark each row's medians, and write them beside its name."""
    for number, row in enumerate(reversed(rows)):
        figures = []
        for look, spread, base in ((FIRST, row.ttft, 0.4), (ANSWER, row.ttfat, 0.06)):
            value = known(spread.p50.value)
            if value is not None:
                low, high = number + base, number + base + 0.28
                yield Line("median", look, [(value, low), (value, high)])
            figures.append((look, seconds(spread.p50.value)))
        yield Heading(number + NAME_AT, row.kind, figures)


def _rows_axis(kinds: Sequence[str]) -> Axis:
    ticks = [Tick(float(number), "") for number in range(len(kinds) + 1)]
    return Axis(0.0, float(max(1, len(kinds))), tuple(ticks), "")


def split(rows: Sequence[tuple[str, Row]], *, plot_id: str, title: str) -> Plot:
    """Draw how the mean time to the first answer token parts into the wait and the thought.

    Both means are of the requests that got an answer token, so that they add up.
    """
    areas: dict[int, list[tuple[float, float, float, float]]] = {FIRST: [], THOUGHT: []}
    notes, told, ends = [], [], [0.0]
    for number, (_name, row) in enumerate(reversed(rows)):
        thought, whole = row.thinking.mean, row.ttfat.mean
        if thought is None or whole is None:
            continue
        wait = max(0.0, whole - thought)
        low, high = number + 0.1, number + 0.5
        areas[FIRST].append((0.0, wait, low, high))
        areas[THOUGHT].append((wait, whole, low, high))
        words = f"{seconds(whole)}, {percent(thought / whole if whole else 0.0)} thought"
        notes.append(Note((whole, number + 0.3), words, beside=True))
        told.append(f"{_name}: {seconds(wait)} to the first token, {seconds(thought)} thinking.")
        ends.append(whole)
    return Plot(
        id=plot_id,
        title=title,
        told=" ".join(reversed(told)),
        x=_seconds_axis(max(ends)),
        y=_rows_axis([name for name, _ in rows]),
        marks=(
            *(Bars(look, found) for look, found in areas.items()),
            *notes,
            *(Heading(n + 0.66, name) for n, (name, _) in enumerate(reversed(rows)) if told),
        ),
        height=BAR_HEIGHT * max(1, len(rows)),
        empty="" if told else "No request got an answer token",
    )


def _seconds_axis(longest: float) -> Axis:
    """Return an even scale of seconds with room for words behind the longest."""
    step = 10.0 ** len(str(int(longest))) / 10 if longest >= 1 else 0.1
    while longest / step > 4:
        step *= 2
    while longest / step < 2 and longest:
        step /= 2
    ticks = tuple(Tick(step * n, f"{step * n:g} s") for n in range(int(longest / step) + 2))
    return Axis(
        0.0, (longest or 1.0) * 1.7, tuple(t for t in ticks if t.value <= longest * 1.3), "time"
    )
