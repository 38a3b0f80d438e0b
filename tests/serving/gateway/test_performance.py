"""An endpoint's figures: percentiles, uptime, and who counts for them."""

import random
from collections import Counter
from typing import Any

import pytest

from serving.gateway.performance import (
    DAY_SECONDS,
    LEAST_FOR_PERCENTILES,
    LEAST_REQUESTS,
    Percentiles,
    Tally,
    figures,
    first_answer_ms,
    latency_ms,
    measured,
    percentile,
    throughput,
)
from serving.gateway.record import Record
from serving.store.usage import MinuteSum

NOW = 1_800_000_030.0  # half a minute into one
MINUTE = 1_800_000_000


def record(**fields: Any) -> Record:
    """Return a streamed request that went well in 2 s."""
    usual = {"id": "req_1", "time": NOW, "duration_seconds": 2.0, "answer_tokens": 30}
    return Record(**usual | {"first_token_seconds": 0.5, "first_answer_seconds": 1.5} | fields)


def minute(ago: int, **ends: int) -> MinuteSum:
    """Return the sums of a minute so many before the one that runs."""
    return MinuteSum(minute=MINUTE - 60 * ago, model="m", **ends)


@pytest.mark.parametrize(
    ("percent", "value"), [(1, 1), (50, 50), (50.5, 51), (75, 75), (90, 90), (99, 99), (100, 100)]
)
def test_a_percentile_is_the_nearest_rank(percent: float, value: float) -> None:
    """So many percent of the values are at or below it, and it is one of them."""
    assert percentile(range(1, 101), percent) == value
    assert percentile([7.0], percent) == 7.0


@pytest.mark.parametrize("percent", LEAST_REQUESTS)
def test_so_many_requests_show_a_percentile(percent: int) -> None:
    """With 99 % confidence two values at least are above the true one; with one fewer, not."""

    def in_doubt(count: int) -> float:
        below = percent / 100
        return below**count + count * (1 - below) * below ** (count - 1)

    least = LEAST_REQUESTS[percent]
    assert in_doubt(least) <= 0.01 < in_doubt(least - 1)


def test_percentiles_need_enough_values() -> None:
    """All four or none, ordered."""
    values = [float(value) for value in range(LEAST_FOR_PERCENTILES)]
    assert Percentiles.of(values[1:]) is None
    assert Percentiles.of(values) == Percentiles(31, 47, 57, 63)


def test_times_are_from_the_headers_on() -> None:
    """To the first token of any kind and of the answer, in ms; a whole answer has neither."""
    assert (latency_ms(record()), first_answer_ms(record())) == (500, 1500)
    whole = record(first_token_seconds=None, first_answer_seconds=None)
    assert (latency_ms(whole), first_answer_ms(whole)) == (None, None)


def test_waiting_lowers_throughput() -> None:
    """All output, thought included, by the whole time; without output there is none."""
    assert throughput(record(reasoning_tokens=70)) == 50
    assert throughput(record(reasoning_tokens=70, duration_seconds=4.0)) == 25
    assert throughput(record(answer_tokens=0)) is None
    assert throughput(record(duration_seconds=0.0)) is None


def test_only_what_went_well_is_measured() -> None:
    """A fast refusal or a stream that broke says nothing of how fast answers come."""
    rows = [record(first_token_seconds=seconds) for seconds in (0.3, 0.1, None)]
    rows += [record(outcome=outcome) for outcome in ("client_gone", "engine_error", "timeout")]
    assert measured(rows, latency_ms) == [100, 300]


def test_uptime_leaves_out_what_clients_cause() -> None:
    """Ok by ok and failed; refused (400, 429) and cancelled change nothing."""
    assert Tally(ok=99, failed=1).uptime() == 99.0
    assert Tally(ok=99, failed=1, refused=500, cancelled=500).uptime() == 99.0


def test_uptime_of_few_requests_is_unknown() -> None:
    """OpenRouter asks for 100, and what was left out does not make them more."""
    assert Tally(ok=99, refused=1).uptime() is None
    assert Tally(ok=100).uptime() == 100.0
    assert Tally(failed=100).uptime() == 0.0
    assert Tally(ok=1).uptime(least=1) == 100.0
    assert Tally().uptime(least=0) is None


def test_each_uptime_has_its_own_time() -> None:
    """A failure leaves the 5 minutes first, then the 30, then the day."""
    good = [minute(ago, ok=100) for ago in (1439, 29, 4, 0)]
    for ago, hit in ((0, 3), (5, 3), (6, 2), (30, 2), (31, 1), (1440, 1), (1441, 0)):
        seen = figures([], [*good, minute(ago, failed=100)], NOW)
        lowered = [value < 100 for value in (seen.uptime_5m, seen.uptime_30m, seen.uptime_1d)]
        assert lowered == [hit > 2, hit > 1, hit > 0], ago


def test_nothing_is_known_of_no_requests() -> None:
    """Every figure is None, none is 0."""
    seen = figures([], [], NOW)
    assert (seen.uptime_5m, seen.uptime_30m, seen.uptime_1d) == (None, None, None)
    assert (seen.latency, seen.throughput) == (None, None)


def test_figures_are_those_of_the_requests() -> None:
    """Known times come out as the percentiles they were drawn for, in ms and tokens a second."""
    times = [seconds / 1000 for seconds in range(1, 1001)]
    random.Random(5).shuffle(times)
    rows = [record(first_token_seconds=t, duration_seconds=t, answer_tokens=1) for t in times]
    seen = figures(rows, [], NOW)
    latency, rate = seen.latency, seen.throughput
    assert [round(v) for v in (latency.p50, latency.p75, latency.p90, latency.p99)] == [
        500, 750, 900, 990
    ]  # fmt: skip
    assert rate.p50 == pytest.approx(1 / 0.501)
    assert rate.p50 < rate.p75 < rate.p90 < rate.p99


def test_a_day_is_a_day() -> None:
    """The minutes that count for a day are those that have a second in it."""
    counted = Counter(
        figures([], [minute(ago, ok=100)], NOW).uptime_1d is not None for ago in range(1500)
    )
    assert counted[True] == DAY_SECONDS // 60 + 1
