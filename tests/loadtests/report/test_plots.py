"""The plots: every value is where it belongs, computed here once more from the records."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from loadtests.observed import Reading
from loadtests.outcome import Outcome
from loadtests.report.axis import Axis
from loadtests.report.distribution import curves, split, strips
from loadtests.report.drawing import svg
from loadtests.report.folder import Run, Seen
from loadtests.report.frontier import frontier
from loadtests.report.goodput import attainment, goodput
from loadtests.report.metrics import Course, observed
from loadtests.report.plot import Plot
from loadtests.report.timeline import (
    MOST_DOTS,
    MOST_FAILED,
    SLOWEST,
    latency,
    thinned,
)
from loadtests.result import StepResult
from tests.loadtests.report.drawings import POINT, drawn, of_class, points, words
from tests.loadtests.report.synthetic import Made, counted, records_of
from tests.loadtests.samples import GOOD, change, run_of, step_of


def on_log(value: float, axis: Axis) -> float:
    """Return how far a value is between a logarithmic scale's ends, by another way than theirs."""
    return math.log10(value / axis.low) / math.log10(axis.high / axis.low)


def test_each_request_is_a_dot(run: Run) -> None:
    """Both times of every request are drawn, at the moment it was due."""
    shown = latency(run)
    whole = drawn(shown)
    records = [each for step in range(6) for each in records_of(step, Made())]
    first = [r for r in records if r.first_token_seconds is not None]
    answer = [r for r in records if r.first_answer_seconds is not None]
    assert len(points(whole, "first token")) == len(first)
    assert len(points(whole, "first answer token")) == len(answer)
    slowest = max(answer, key=lambda r: r.first_answer_seconds or 0)
    took = slowest.sent_seconds + (slowest.first_answer_seconds or 0) - slowest.scheduled_seconds
    expected = (
        1000 * slowest.scheduled_seconds / shown.x.high,
        1000 * (1 - on_log(took, shown.y)),
    )
    highest = min(points(whole, "first answer token"), key=lambda point: point[1])
    assert highest == pytest.approx(expected, abs=0.11)
    (failed,) = of_class(whole, "rail")
    assert failed.attrib["d"].count("M") == sum(not r.answered for r in records)


def test_steps_are_bands_with_their_users(run: Run) -> None:
    """The best one stands out; what settles is marked in each."""
    whole = drawn(latency(run))
    assert words(whole, "band-name") == ["1", "2", "4", "8", "16", "32"]
    best = run.summary.verdict.best_step
    assert best is not None
    chosen = [each for each in of_class(whole, "band-name") if "chosen" in each.attrib["class"]]
    assert ["".join(each.itertext()) for each in chosen] == [str(Made().users[best])]
    settling = [float(each.attrib["width"]) for each in of_class(whole, "settling")]
    assert settling == pytest.approx([1000 * 3 / 77.5] * 6, abs=0.2)


def test_many_requests_are_thinned_but_never_the_slowest_nor_those_that_failed(run: Run) -> None:
    """How many are shown is said."""
    many = [seen(n, slow=n % 997 == 0, failed=n % 499 == 1) for n in range(100_000)]
    found = thinned(many)
    assert len(found.shown) <= MOST_DOTS + SLOWEST + MOST_FAILED
    special = [each for each in many if each.ttfat == 50.0 or each.failed]
    assert len(special) == 101 + 201
    assert {each.scheduled_seconds for each in special} <= {
        each.scheduled_seconds for each in found.shown
    }
    shown = f"{len(found.shown):,} of 100,000 requests are shown: one in 34, the 200 slowest"
    assert found.said == f"{shown}, and 201 of the 201 that failed."
    assert thinned(run.requests).said == "Every request is shown."
    assert len(thinned([seen(n, failed=True) for n in range(100_000)]).shown) < MOST_DOTS + 1300


def seen(number: int, *, slow: bool = False, failed: bool = False) -> Seen:
    """Return a request of a moment."""
    return Seen(
        kind="text",
        step=0,
        scheduled_seconds=float(number),
        sent_seconds=float(number),
        outcome=Outcome.TIMEOUT if failed else Outcome.ANSWERED,
        first_token_seconds=0.1,
        first_answer_seconds=None if failed else 50.0 if slow else 1.0,
    )


def test_metrics_share_the_time_axis_of_the_latency(run: Run) -> None:
    """Lines break where nobody answered, and begin where the load does."""
    panels = {each.id: each for each in observed(run)}
    assert all(each.x == latency(run).x for each in panels.values())
    whole = drawn(panels["engine-requests"])
    assert words(whole, "end") == ["waiting", "running"]
    (running,) = [path for path in of_class(whole, "line") if path.get("data-name") == "running"]
    assert running.attrib["d"].count("M") == 2  # one outage
    at_the_end = points(whole, "running")[-1]
    top = panels["engine-requests"].y.high
    assert at_the_end[1] == pytest.approx(1000 * (1 - 8 / top), abs=0.1)


def test_a_counter_is_shown_by_its_growth() -> None:
    """A second, over gaps in time as well; a counter that began anew is a gap."""
    tokens = "vllm:generation_tokens_total"
    told = [(0.0, 100.0), (1.0, 150.0), (3.0, 250.0), (4.0, 10.0), (5.0, 20.0)]
    readings = [Reading(at, {tokens: value}) for at, value in told]
    grown = Course("output", tokens, growth=True).points(readings)
    assert grown == [(1.0, 50.0), (3.0, 50.0), None, (5.0, 10.0)]
    hits, queries = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
    pairs = [(0.0, 0.0), (3.0, 4.0), (3.0, 4.0)]
    both = [Reading(at, {hits: h, queries: q}) for at, (h, q) in enumerate(pairs)]
    shares = Course("hits", hits, over=queries, scale=100).points(both)
    assert shares == [(1, 75.0), None]  # nothing of nothing


def test_a_run_that_nobody_observed_has_no_panels(single: Run) -> None:
    """The page says so instead."""
    assert observed(single) == []


@pytest.mark.parametrize("metric", ["ttft", "ttfat"])
def test_the_frontier_has_a_point_for_each_step_that_can_be_told(run: Run, metric: str) -> None:
    """At its throughput and its percentile; p95 of few requests is no point at all."""
    shown = frontier(run.summary, metric)
    whole = drawn(shown)
    for name in ("p50", "p95"):
        expected = [
            (
                1000 * step.all.per_second.output_tokens / shown.x.high,
                1000 * (1 - on_log(t, shown.y)),
            )
            for step in run.summary.steps
            if isinstance(t := getattr(getattr(step.all, metric), name).value, float)
        ]
        (dots,) = [path for path in of_class(whole, "dots") if path.get("data-name") == name]
        found = [(float(x), float(y)) for x, y in POINT.findall(dots.attrib["d"])]
        assert len(found) == {"p50": 6, "p95": 4}[name]
        assert found == [pytest.approx(each, abs=0.11) for each in expected]
    assert words(whole, "note") == ["1", "2", "4", "8", "16", "32"]
    (ring,) = of_class(whole, "ring")
    assert ring.attrib["d"].count("M") == 2
    limit = {"ttft": "p95 ≤ 500 ms", "ttfat": "p95 ≤ 2.5 s"}[metric]
    assert limit in words(whole, "end")


def test_the_frontier_holds_every_interval() -> None:
    """Half of the requests take 0.5 s, others up to 23 s: no stroke is cut off at its frame."""
    slow = [change(GOOD, first_token_seconds=0.5 + n * n / 430) for n in range(100)]
    summary = run_of(step_of([GOOD] * 100 + slow))
    found = summary.steps[0].all.ttft.p95
    assert isinstance(found.high, float) and isinstance(found.value, float)
    assert found.high > 20 > found.value
    assert frontier(summary, "ttft").y.high >= found.high


def test_the_distribution_is_of_the_counted_requests_of_one_step(run: Run) -> None:
    """The curve goes through every share, and ends below 100 percent where requests failed."""
    step = step_that_stands(run)
    shown = curves(run, step)
    mine = counted([each for n in range(6) for each in records_of(n, Made())], step.index)
    came = sorted(
        r.sent_seconds + r.first_answer_seconds - r.scheduled_seconds
        for r in mine
        if r.first_answer_seconds is not None
    )
    found = points(drawn(shown), "first answer token")
    assert found[0] == pytest.approx((1000 * on_log(came[0], shown.x), 1000), abs=0.11)
    end = (1000 * on_log(came[-1], shown.x), 1000 * (1 - len(came) / len(mine)))
    assert len(came) < len(mine)
    assert found[-1] == pytest.approx(end, abs=0.11)
    assert [y for _, y in found] == sorted((y for _, y in found), reverse=True)


def step_that_stands(run: Run) -> StepResult:
    """Return the step whose figures the page shows."""
    assert run.shown_step is not None
    return run.shown_step


def test_kinds_have_a_row_each(run: Run) -> None:
    """Every request is a dot in its kind's row, with the medians as figures."""
    step = step_that_stands(run)
    whole = drawn(strips(run, step))
    kinds = words(whole, "note")[::-1]
    assert kinds == ["long thought", "one picture", "short text"]
    mine = run.counted(step)
    dots = points(whole, "first token") + points(whole, "first answer token")
    expected = sum((r.ttft is not None) + (r.ttfat is not None) for r in mine)
    assert len(dots) == expected
    rows = [sum(n * 1000 / 3 <= y < (n + 1) * 1000 / 3 for _, y in dots) for n in range(3)]
    by_kind = [sum((r.ttft is not None) + (r.ttfat is not None) for r in mine if r.kind == kind)
               for kind in kinds]  # fmt: skip
    assert rows == by_kind


def test_the_wait_and_the_thought_add_up(run: Run) -> None:
    """Both bars of a row end where the mean time to the first answer token does."""
    step = step_that_stands(run)
    rows = [(row.kind, row) for row in step.rows if row.kind != "all"]
    shown = split(rows, plot_id="split", title="Split")
    bars = of_class(drawn(shown), "bar")
    ends = {float(bar.attrib["x"]) + float(bar.attrib["width"]) for bar in bars[3:]}
    means = [1000 * row.ttfat.mean / shown.x.high for _, row in rows if row.ttfat.mean]
    assert sorted(ends) == pytest.approx(sorted(means), abs=0.2)
    starts = [float(bar.attrib["x"]) for bar in bars[3:]]
    waits = [float(bar.attrib["width"]) for bar in bars[:3]]
    assert starts == pytest.approx(waits, abs=0.11)


def test_goodput_shows_shares_with_intervals_and_rates(run: Run) -> None:
    """A point and a stroke for each step, and a bar of good requests in front of all."""
    steps = run.summary.steps
    whole = drawn(attainment(steps))
    (dots,) = of_class(whole, "large")
    heights = [float(y) for _, y in POINT.findall(dots.attrib["d"])]
    shares = [step.all.good.value or 0 for step in steps]
    assert heights == pytest.approx([1000 * (1 - share) for share in shares], abs=0.1)
    (strokes,) = of_class(whole, "whiskers")
    assert strokes.attrib["d"].count("V") == 6
    shown = goodput(steps)
    bars = of_class(drawn(shown), "bar")
    tall = [float(bar.attrib["height"]) for bar in bars]
    good = [1000 * step.all.good_per_second / shown.y.high for step in steps]
    whole_rate = [1000 * step.all.per_second.requests / shown.y.high for step in steps]
    assert tall == pytest.approx(whole_rate + good, abs=0.21)


def everything(run: Run) -> Iterable[Plot]:
    """Return all plots of a run."""
    step = step_that_stands(run)
    rows = [(row.kind, row) for row in step.rows]
    yield from (latency(run), curves(run, step), strips(run, step), *observed(run))
    yield from (frontier(run.summary, metric) for metric in ("ttft", "ttfat"))
    yield from (attainment(run.summary.steps), goodput(run.summary.steps))
    yield split(rows, plot_id="split", title="Split")


def test_every_plot_is_told_in_words_and_draws_numbers(run: Run, single: Run) -> None:
    """Who does not see it hears it, of few requests as of many; no value is made up."""
    for shown in [*everything(run), *everything(single)]:
        whole = drawn(shown)
        names = whole.attrib["aria-labelledby"].split()
        told = {each.get("id"): each.text for each in whole.iter() if each.get("id")}
        assert all(told[name] for name in names), shown.id
        assert not re.search(r"\b(nan|inf|None)\b", str(svg(shown))), shown.id


def test_a_plot_of_nothing_says_so(run: Run) -> None:
    """Where nobody got a token no scale is left alone."""
    nothing = replace(run, requests=[])
    assert "No request got a token" in str(svg(latency(nothing)))
