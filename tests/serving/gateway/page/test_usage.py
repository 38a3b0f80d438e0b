"""What the tab Usage shows, from requests in a real store, by numbers made by hand."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import INSTRUCT, THINKING, TINY
from serving.gateway.key import ANYBODY
from serving.gateway.page.amounts import NARROW
from serving.gateway.page.spark import HEIGHT, WIDTH, spark
from serving.gateway.page.usage import MOST_LINES, MOST_MODELS, SOURCES, Bill, usage_html
from serving.gateway.record import Record
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import DaySum, UsageStore
from tests.serving.gateway.page.markup import columns, figures, named, read, rows, text
from tests.serving.usage_records import record

TODAY = date(2026, 11, 20)
DAY_SECONDS = 86_400
Look = Callable[..., Bill]


@pytest.fixture(name="look")
def _look(tmp_path: Path) -> Iterator[Look]:
    """Return what writes requests and reads the days that end with today."""
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/serving.db")))
    store = UsageStore(engine)

    def look(records: Sequence[Record], days: int = 7, key_id: str | None = None) -> Bill:
        store.write("batch", records)
        sums = store.days(TODAY - timedelta(days=days), TODAY, key_id)
        return Bill(sums, TODAY, days, None if key_id is None else key_id.removeprefix("key_"))

    yield look
    engine.dispose()


def used(ago: int, **fields: Any) -> Record:
    """Return a request of so many days ago with 100 tokens in and 30 out for 2 cents."""
    usual = {"prompt_tokens": 100, "reasoning_tokens": 20, "answer_tokens": 10, "cost": 0.02}
    return record(-ago * DAY_SECONDS, **usual | {"model": TINY} | fields)


def day(number: int = 0, **fields: Any) -> DaySum:
    """Return the sum of a day so many before today."""
    usual: dict[str, Any] = {"key_id": "key_a", "key": "alice", "model": TINY, "app": "app"}
    return DaySum(day=TODAY - timedelta(days=number), **usual | {"ok": 1} | fields)


def plain(cells: Sequence[str]) -> list[str]:
    """Return cells with ordinary spaces."""
    return [cell.replace(NARROW, " ") for cell in cells]


def test_totals_come_first(look: Look) -> None:
    """All that was used in the days that are shown, and nothing of those before."""
    records = [used(0, images=3), used(6, id="b", videos=1, outcome="client_gone"), used(7, id="c")]
    html = usage_html(look(records))
    totals = {text(pair[0]): text(pair[1]) for pair in read(html).iter("div") if len(pair) == 2}
    assert {name: totals[name] for name in ("Cost", "Requests", "Tokens in", "Tokens out")} == {
        "Cost": "$0.0400",
        "Requests": "2",
        "Tokens in": "200",
        "Tokens out": "60",
    }
    assert (totals["Pictures"], totals["Videos"]) == ("3", "1")
    assert html.index("usage-totals-head") < html.index("usage-models-head")


def test_each_day_has_its_tokens_by_model(look: Look) -> None:
    """The table has every day, the newest first, also those on which nothing was used."""
    records = [used(0), used(0, id="b", model=THINKING), used(2, id="c", model=THINKING)]
    drawn = read(usage_html(look(records)))
    table = columns(drawn, "usage-models-table")
    assert table["Time, UTC"] == [f"2026-11-{number}" for number in range(20, 13, -1)]
    assert table[THINKING] == ["130", "0", "130", "0", "0", "0", "0"]
    assert table[TINY] == ["130", "0", "0", "0", "0", "0", "0"]
    assert figures(drawn, "usage-models-head") == {THINKING: "260", TINY: "130"}


def test_apps_beyond_the_first_ten_are_one() -> None:
    """Those with most tokens have a row each, the others one together; none is lost."""
    sums = [day(app=f"app {number}", prompt_tokens=1000 - number) for number in range(14)]
    sums.append(day(app="", prompt_tokens=5000))
    drawn = read(usage_html(Bill(sums, TODAY, 7, None)))
    table = columns(drawn, "usage-app")
    others = ["no name given", *(f"app {number}" for number in range(MOST_LINES - 1)), "5 others"]
    assert table["App"] == others
    assert table["Tokens"] == ["5,000", *(f"{1000 - n:,}" for n in range(9)), "4,945"]
    assert sum(float(share.split(NARROW)[0]) for share in table["Share"]) == pytest.approx(
        100, abs=1
    )
    assert table["Requests"] == ["1"] * 10 + ["5"]
    daily = rows(drawn, "usage-app-days")
    assert daily[0] == ["Day, UTC", *others]
    assert daily[1][1:] == table["Tokens"]
    assert daily[2] == ["2026-11-19", *["0"] * 11]


def test_models_beyond_the_patterns_are_one() -> None:
    """There are as many looks as can be told apart."""
    sums = [day(model=f"model {number}", prompt_tokens=100 - number) for number in range(7)]
    drawn = read(usage_html(Bill(sums, TODAY, 7, None)))
    names = list(figures(drawn, "usage-models-head"))
    assert names == [*(f"model {number}" for number in range(MOST_MODELS)), "3 others"]
    assert len(rows(drawn, "usage-prices")) == 1 + 7 + 1


def test_only_the_days_that_are_shown_count() -> None:
    """What another gateway, whose clock is ahead, has written for tomorrow comes tomorrow."""
    drawn = read(usage_html(Bill([day(-1), day(), day(6), day(7)], TODAY, 7, None)))
    assert columns(drawn, "usage-app")["Requests"] == ["2"]


def test_keys_go_by_their_id_under_their_latest_name() -> None:
    """Two keys may have one name, and one key had another before."""
    sums = [
        day(2, key="old", prompt_tokens=10),
        day(1, key="new", prompt_tokens=10),
        day(1, key_id="key_b", key="new", prompt_tokens=5),
    ]
    drawn = read(usage_html(Bill(sums, TODAY, 7, None)))
    table = columns(drawn, "usage-key")
    assert (table["Key"], table["Tokens"]) == (["new", "new"], ["20", "5"])


def test_a_key_sees_no_other(look: Look) -> None:
    """What is drawn for one key has no row, number or name of another."""
    records = [
        used(0, app="mine"),
        used(0, id="b", key_id="key_bob", key="bob", app="his", model=THINKING),
    ]
    html = usage_html(look(records, key_id="key_a"))
    drawn = read(html)
    assert not any(word in html for word in ("bob", "his<", THINKING + "</bdi></th>", "usage-key"))
    assert columns(drawn, "usage-app")["Tokens"] == ["130"]
    assert text(named(drawn, "usage-totals-head")) == "7 days of the key a"


def test_public_prices_are_of_the_same_tokens() -> None:
    """Each model at its own public price, the tiny one at the Thinking model's."""
    tokens = {"prompt_tokens": 2_000_000, "reasoning_tokens": 600_000, "answer_tokens": 400_000}
    sums = [
        day(model=model, cost=cost, **tokens)
        for model, cost in ((THINKING, 1.5), (INSTRUCT, 0.5), (TINY, 0.0))
    ]
    drawn = read(usage_html(Bill(sums, TODAY, 7, None)))
    # 2 × 0.18 + 1 × 2.10 and 35 % less; 2 × 0.08 + 1 × 0.50.
    assert rows(drawn, "usage-prices")[1:] == [
        [INSTRUCT, "$0.500", "$0.660", "$0.660"],
        [THINKING, "$1.50", "$2.46", "$1.60"],
        [TINY, "$0.00", "$2.46", "$1.60"],
        ["All", "$2.00", "$5.58", "$3.86"],
    ]
    rules = [text(rule) for rule in drawn.iter("li")]
    assert rules == [
        f"{INSTRUCT}: list $0.08 in and $0.50 out, without a discount.",
        f"{THINKING}: list $0.18 in and $2.10 out, discounted by 35% to $0.117 in and $1.365 out.",
        f"{TINY} has no public price and is counted as {rules[1]}",
    ]


@pytest.mark.parametrize(("owner", "by"), [(None, ""), ("<ci>", " by the key <ci>")])
def test_no_usage_invites(owner: str | None, by: str) -> None:
    """There is nothing to draw or to sum up: only the days to choose, and the way to the chat."""
    drawn = read(usage_html(Bill([], TODAY, 30, owner)))
    assert text(named(drawn, "usage-nothing-head")) == f"Nothing used in 30 days{by}"
    assert not list(drawn.iter("svg"))
    links = [link.attrib for link in drawn.iter("a")]
    assert [link["href"] for link in links] == [*SOURCES.values(), "#chat"]
    assert [link["href"] for link in links if link.get("aria-current")] == [SOURCES[30]]


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1))
def test_what_clients_call_themselves_is_text(name: str) -> None:
    """Names of apps, keys and models stand there as they are, and turn nothing around."""
    html = usage_html(Bill([day(app=name, key=name, model=name)], TODAY, 7, None))
    drawn = read(html)
    assert columns(drawn, "usage-app")["App"] == columns(drawn, "usage-key")["Key"] == [name]
    assert rows(drawn, "usage-prices")[1][0] == name
    assert [text(each) for each in drawn.iter("bdi")].count(name) == 6


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=90))
def test_a_small_plot_stays_within_its_box(values: list[int]) -> None:
    """One bar for each day with tokens, none higher or further right than the box."""
    drawn = read(spark(values, max(values)))
    (path,) = drawn.iter("path")
    bars = path.attrib["d"].split("M")[1:]
    assert len(bars) == sum(value > 0 for value in values)
    for bar in bars:
        left, height = float(bar.split()[0]), float(bar.split("v-")[1].split("h")[0])
        assert 0 <= left < WIDTH
        assert 0 < height <= HEIGHT


def test_a_server_without_keys_lists_none() -> None:
    """All who need no key are one, and that is no news; with a key among them it is."""
    everybody = day(key_id=ANYBODY.id, key=ANYBODY.name, prompt_tokens=1)
    alone = usage_html(Bill([everybody], TODAY, 7, None))
    assert "usage-key" not in alone
    drawn = read(usage_html(Bill([everybody, day()], TODAY, 7, None)))
    assert columns(drawn, "usage-key")["Key"] == ["anybody", "alice"]
