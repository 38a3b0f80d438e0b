"""What the tab Performance shows, from requests in a real store, by numbers made by hand."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.page.activity import WINDOWS, Activity, span_of
from serving.gateway.page.amounts import NARROW
from serving.gateway.page.performance import SOURCES, performance_html
from serving.gateway.record import Record
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import UsageStore
from tests.serving.gateway.page.markup import columns, figures, named, read, text
from tests.serving.usage_records import START, record

# Half of the minute 00:20 is over.
NOW = START + 20 * 60 + 30
Look = Callable[..., Activity]


@pytest.fixture(name="look")
def _look(tmp_path: Path) -> Iterator[Look]:
    """Return what writes requests and reads a window of them."""
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/serving.db")))
    store = UsageStore(engine)

    def look(records: Sequence[Record], window: str = "15m") -> Activity:
        store.write("batch", records)
        span = span_of(window, NOW)
        sums, sample = (read(span.since, span.until) for read in (store.minutes, store.sample))
        return Activity(window, span, NOW, sums, sample)

    yield look
    engine.dispose()


def minute(number: int, count: int, **fields: Any) -> list[Record]:
    """Return so many requests of one minute of the day."""
    return [record(number * 60 + each / 10, **fields) for each in range(count)]


def shown(activity: Activity, plot: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return a plot's table by its columns, the newest bucket first, and its large numbers."""
    drawn = read(performance_html(activity))
    large = figures(drawn, f"{plot}-head")
    return columns(drawn, f"{plot}-table"), {
        name: said.replace(NARROW, " ") for name, said in large.items()
    }


def test_a_point_needs_enough_requests(look: Look) -> None:
    """From 11 requests on there is a p50, from 130 on a p95; fewer are shown one by one."""
    times = [number / 100 for number in range(1, 131)]
    many = [
        record(15 * 60 + number / 10, first_token_seconds=each) for number, each in enumerate(times)
    ]
    some = [
        record(16 * 60 + number, first_token_seconds=each) for number, each in enumerate(times[:11])
    ]
    few = [
        record(17 * 60 + number, first_token_seconds=each) for number, each in enumerate(times[:2])
    ]
    table, large = shown(look([*many, *some, *few]), "plot-first-token")
    assert table["Time, UTC"][3:7] == [f"20 Nov 00:{number}" for number in (17, 16, 15, 14)]
    assert table["p50, s"][3:7] == ["–", "0.060", "0.650", "–"]
    assert table["p95, s"][3:7] == ["–", "–", "1.240", "–"]
    assert table["Measured requests"][3:7] == ["2", "11", "130", "0"]
    assert table["Single requests, s"][3:7] == ["0.010 · 0.020", "", "", ""]
    # The 72nd and the 136th of 143.
    assert large == {"p50": "590 ms", "p95": "1.23 s"}


def test_too_few_requests_say_so(look: Look) -> None:
    """Where nothing can be said of the window, its numbers say that and no other."""
    activity = look(minute(15, 10, first_token_seconds=1.0, answer_tokens=5, duration_seconds=1.0))
    for plot, names in {
        "plot-first-token": ("p50", "p95"),
        "plot-request-throughput": ("p50",),
        "plot-uptime": ("uptime",),
    }.items():
        large = shown(activity, plot)[1]
        assert [large[name] for name in names] == ["too few requests"] * len(names)


def test_only_answers_are_measured(look: Look) -> None:
    """How fast a refusal came, or how far a cancelled stream, says nothing of answers."""
    slow = minute(15, 11, first_token_seconds=2.0, first_answer_seconds=4.0)
    fast = minute(15, 90, first_token_seconds=0.1, outcome="client_gone", id="x")
    activity = look([*slow, *fast])
    assert shown(activity, "plot-first-token")[1]["p50"] == "2 s"
    assert shown(activity, "plot-first-answer")[1]["p50"] == "4 s"


def test_throughput_is_of_the_server_and_of_a_request(look: Look) -> None:
    """Tokens by the bucket's seconds, and by a request's own; what has just begun is not told."""
    fields = {"reasoning_tokens": 40, "answer_tokens": 20, "duration_seconds": 3.0}
    activity = look([*minute(15, 12, **fields), *minute(20, 1, **fields)])
    server, mean = shown(activity, "plot-output")
    assert server["tokens/s"] == ["–", "0.0", "0.0", "0.0", "0.0", "12.0"] + ["0.0"] * 9
    # 13 × 60 tokens since 00:06, 14½ minutes ago.
    assert mean == {"mean": "0.897 tokens/s"}
    requests, p50 = shown(activity, "plot-request-throughput")
    assert requests["p50, tokens/s"][5] == "20.0"
    assert requests["Single requests, tokens/s"][0] == "20.0"
    assert p50 == {"p50": "20 tokens/s"}


def test_uptime_leaves_out_what_was_refused(look: Look) -> None:
    """It is of those that the server was to answer; refusals stand apart."""
    records = [
        *minute(15, 99),
        *minute(15, 1, outcome="engine_error", id="failed"),
        *minute(15, 100, outcome="rejected", admitted=False, id="refused"),
        *minute(16, 10),
    ]
    activity = look(records)
    table, large = shown(activity, "plot-uptime")
    assert large == {"uptime": "99.09 %", "refused, apart": "47.61 %"}
    assert [cell.replace(NARROW, " ") for cell in table["Uptime"][4:6]] == ["–", "99 %"]
    assert [cell.replace(NARROW, " ") for cell in table["Refused, of all"][4:7]] == [
        "0 %",
        "50 %",
        "–",
    ]
    assert table["Judged requests"][4:7] == ["10", "100", "0"]


def test_every_request_has_its_verdict(look: Look) -> None:
    """Also what never came to the engine counts, in the bucket of its headers."""
    outcomes = {"ok": 4, "rate_limited": 3, "client_gone": 2, "timeout": 1}
    records = [
        record(15 * 60, id=f"{outcome}-{number}", outcome=outcome, admitted=outcome == "ok")
        for outcome, count in outcomes.items()
        for number in range(count)
    ]
    table, large = shown(look(records, "1h"), "plot-requests")
    assert large == {"Answered": "4", "Refused": "3", "Cancelled": "2", "Failed": "1"}
    assert table["Time, UTC"][1] == "20 Nov 00:15"
    assert [table[name][1] for name in large] == ["4", "3", "2", "1"]
    assert sum(int(cell) for name in large for cell in table[name]) == 10


@pytest.mark.parametrize("window", WINDOWS)
def test_each_window_has_its_buckets_and_a_way_to_the_others(look: Look, window: str) -> None:
    """A row for each bucket; the links name all windows, and the one that is shown."""
    activity = look(minute(15, 3, first_token_seconds=1.0), window)
    seconds, step = WINDOWS[window]
    assert len(shown(activity, "plot-requests")[0]["Answered"]) == seconds / step
    links = list(read(performance_html(activity)).iter("a"))
    assert [link.get("href") for link in links] == list(SOURCES.values())
    current = [link.get("href") for link in links if link.get("aria-current") == "true"]
    assert current == [SOURCES[window]]


@pytest.mark.parametrize(
    ("window", "title"),
    [("15m", "No requests in the last 15 minutes"), ("1h", "No requests in the last hour")],
)
def test_no_request_invites(look: Look, window: str, title: str) -> None:
    """No empty plots: only the windows to choose, and the way to the chat."""
    drawn = read(performance_html(look([], window)))
    assert text(named(drawn, "plot-nothing-head")) == title
    assert not list(drawn.iter("svg"))
    assert [link.get("href") for link in drawn.iter("a")] == [*SOURCES.values(), "#chat"]
