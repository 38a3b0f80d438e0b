"""The usage ledger in the store, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from serving.gateway.period import FIRST_DAY
from serving.gateway.record import OUTCOMES, Record
from serving.gateway.timeline import Stage
from serving.store import usage
from serving.store.address import Address
from serving.store.database import open_store, read_only
from serving.store.usage import DaySum, MinuteSum, UsageStore
from serving.store.usage_tables import MAX_CHARACTERS
from tests.serving.usage_records import START, record

TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)
DAY_SECONDS = 86_400
TABLES = ("requests", "usage_days", "usage_minutes", "ledger_batches")


@pytest.fixture(name="store")
def _store(engine: sa.Engine) -> UsageStore:
    return UsageStore(engine)


def count(engine: sa.Engine, table: str) -> int:
    """Count the rows of a table."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608


def full(**fields: Any) -> Record:
    """Return a request in which every field has a value of its own."""
    values: dict[str, Any] = {}
    for number, field in enumerate(msgspec.structs.fields(Record), 1):
        kinds = {
            str: f"text {number}",
            str | None: f"text {number}",
            int: 2**40 + number,
            int | None: 2**40 + number,
            float: number / 3,
            float | None: number / 3,
            bool: True,
            dict[Stage, float]: dict.fromkeys(Stage, number / 7),
        }
        values[field.name] = kinds[field.type]
    return Record(**values | {"outcome": "ok"} | fields)


def test_a_row_holds_all_of_a_record(store: UsageStore, engine: sa.Engine) -> None:
    """The table's columns are a record's fields and a number, and each comes back as it was."""
    columns = [column["name"] for column in sa.inspect(engine).get_columns("requests")]
    assert columns == ["number", *Record.__struct_fields__]
    store.write("a", [full()])
    assert store.find([full().id]) == full()
    store.write("b", [record()])
    assert store.find(["req_0"]) == record()


def test_the_sums_tables_are_the_sums(engine: sa.Engine) -> None:
    """The scripts and the structs say the same."""
    inspect = sa.inspect(engine)
    for table, kind in (("usage_days", DaySum), ("usage_minutes", MinuteSum)):
        columns = {column["name"] for column in inspect.get_columns(table)}
        assert columns == set(kind.__struct_fields__)


def test_every_verdict_is_counted(store: UsageStore, engine: sa.Engine) -> None:
    """Sums hold requests that never came to the engine, too; the rows do not."""
    outcomes = [
        record(number, outcome=outcome, admitted=OUTCOMES[outcome] != "refused")
        for number, outcome in enumerate(OUTCOMES)
    ]
    store.write("a", outcomes)
    [day], [minute] = store.days(TODAY, TODAY), store.minutes(START, START + 60)
    verdicts = list(OUTCOMES.values())
    for verdict in ("ok", "refused", "cancelled", "failed"):
        assert getattr(day, verdict) == getattr(minute, verdict) == verdicts.count(verdict) > 0
    assert count(engine, "requests") == len(OUTCOMES) - verdicts.count("refused")


@pytest.mark.parametrize("missing", ["generates", "known"])
def test_others_are_not_in_the_ledger(store: UsageStore, engine: sa.Engine, missing: str) -> None:
    """Neither a question for the models nor a wrong key leaves a trace."""
    store.write("a", [record(**{missing: False})])
    assert [count(engine, table) for table in TABLES] == [0, 0, 0, 1]


def test_requests_add_up_over_batches(store: UsageStore) -> None:
    """Tokens of each kind, pictures, videos and cost, by day, key, model and app."""
    one = full(time=START, key_id="key_a", key="alice", model="tiny", app="app", cost=0.25)
    store.write("a", [one, one])
    store.write("b", [one])
    [day] = store.days(TODAY, TODAY)
    kinds = [*(f"{kind}_tokens" for kind in one.tokens), "images", "videos", "cost"]
    assert {kind: getattr(day, kind) for kind in kinds} == {
        kind: 3 * getattr(one, kind) for kind in kinds
    }
    assert (day.day, day.key_id, day.key, day.model, day.app) == (
        TODAY, "key_a", "alice", "tiny", "app",
    )  # fmt: skip
    [minute] = store.minutes(START, START + 60)
    assert minute == MinuteSum(
        minute=int(START),
        model="tiny",
        ok=3,
        prompt_tokens=3 * one.prompt_tokens,
        output_tokens=3 * one.output_tokens,
        cost=0.75,
    )


def test_each_key_day_model_and_app_has_its_sum(store: UsageStore) -> None:
    """Days are UTC's; a day's last second is not the next day's first."""
    last = DAY_SECONDS - 0.001
    written = [
        record(0, cost=1),
        record(last, cost=2),
        record(DAY_SECONDS, cost=4),
        record(1, app="other", cost=8),
        record(1, model="other", cost=16),
        record(1, key_id="key_b", cost=32),
    ]
    store.write("a", written)
    found = {(d.day, d.key_id, d.model, d.app): d.cost for d in store.days(TODAY, TOMORROW)}
    assert found == {
        (TODAY, "key_a", "tiny", ""): 3,
        (TOMORROW, "key_a", "tiny", ""): 4,
        (TODAY, "key_a", "tiny", "other"): 8,
        (TODAY, "key_a", "other", ""): 16,
        (TODAY, "key_b", "tiny", ""): 32,
    }
    assert {d.key_id for d in store.days(TODAY, TOMORROW, "key_a")} == {"key_a"}
    assert {d.day for d in store.days(TODAY, TODAY)} == {TODAY}
    assert [d.day for d in store.days(TODAY, TOMORROW)][-1] == TOMORROW
    spent = [store.spent("key_a", TODAY), store.spent("key_a", TOMORROW), store.spent("no", TODAY)]
    assert spent == [31, 4, 0]


def test_refusing_adds_no_rows(store: UsageStore, engine: sa.Engine) -> None:
    """However many names a client has for itself, what is refused is one sum a key and day."""
    refused = {"admitted": False, "outcome": "rate_limited"}
    store.write("a", [record(number, app=f"app {number}", **refused) for number in range(9)])
    (sums,) = store.days(TODAY, TODAY)
    assert (sums.app, sums.refused) == ("", 9)
    assert count(engine, "requests") == 0


def test_minutes_come_in_order(store: UsageStore) -> None:
    """From `since` on, and without the one that begins at `until`."""
    store.write("a", [record(number) for number in (125, 60, 0, 59.9, 119.9)])
    found = [(minute.minute - START, minute.ok) for minute in store.minutes(START, START + 180)]
    assert found == [(0, 2), (60, 2), (120, 1)]
    assert [m.minute - START for m in store.minutes(START + 60, START + 120)] == [60]


def test_a_keys_latest_name_is_shown(store: UsageStore) -> None:
    """The id stays the same; within a batch as from one to the next."""
    store.write("a", [record(0, key="old"), record(1, key="newer")])
    assert [day.key for day in store.days(TODAY, TODAY)] == ["newer"]
    store.write("b", [record(2, key="newest")])
    assert [day.key for day in store.days(TODAY, TODAY)] == ["newest"]


def test_a_batch_counts_once(store: UsageStore, engine: sa.Engine) -> None:
    """Whoever did not hear that it was written writes it again."""
    for _ in range(3):
        store.write("a", [record(cost=1)])
    assert store.spent("key_a", TODAY) == 1
    assert [count(engine, table) for table in TABLES] == [1, 1, 1, 1]
    store.write("b", [record(cost=1)])
    assert store.spent("key_a", TODAY) == 2


def test_a_batch_is_written_whole_or_not_at_all(store: UsageStore, engine: sa.Engine) -> None:
    """And one that failed can be written later, under the same id."""
    bad = record(1, max_tokens=2**70)
    with pytest.raises((sa.exc.DataError, OverflowError)):
        store.write("a", [record(0), bad])
    assert [count(engine, table) for table in TABLES] == [0, 0, 0, 0]
    store.write("a", [record(0)])
    assert store.find(["req_0"]) == record(0)


def test_two_who_write_the_same_batch_at_once_count_it_once(
    store: UsageStore, engine: sa.Engine
) -> None:
    """As after an acknowledgement that is late: the first transaction may still run."""
    batch, start = [record(number, cost=1) for number in range(300)], threading.Barrier(4)

    def write(_number: int) -> None:
        start.wait()
        store.write("same", batch)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert store.spent("key_a", TODAY) == 300
    assert count(engine, "requests") == 300


def test_many_write_at_once_and_nothing_is_lost(store: UsageStore, engine: sa.Engine) -> None:
    """Each in its own order of keys and minutes; none waits for another in a ring."""

    def write(writer: int) -> None:
        for number in range(8):
            batch = [record(60 * minute, key_id=f"key_{minute}", cost=1) for minute in range(10)]
            store.write(f"{writer}-{number}", batch[:: 1 if writer % 2 else -1])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert count(engine, "requests") == 6 * 8 * 10
    assert [day.cost for day in store.days(TODAY, TODAY)] == [48] * 10
    assert [minute.ok for minute in store.minutes(START, START + 600)] == [48] * 10


def test_the_latest_of_a_requests_rows_is_found(store: UsageStore) -> None:
    """A client may send the same id twice; others' requests are not found with a key."""
    store.write("a", [record(5, id="x"), record(9, id="x", key_id="key_b"), record(7, id="x")])
    for ids, key_id, second in (
        (["x"], None, 9),
        (["x"], "key_a", 7),
        (["gen-x", "x"], "key_b", 9),
    ):
        found = store.find(ids, key_id)
        assert found is not None
        assert found.time == START + second
    assert store.find(["x"], "key_c") is None
    assert store.find(["y"]) is None
    assert store.find([]) is None


def test_a_sample_is_even(store: UsageStore) -> None:
    """Every k-th of many, of the asked time alone, the oldest first."""
    store.write("a", [record(number) for number in range(1000)])
    found = store.sample(START, START + 1000, 100)
    gaps = {later.time - sooner.time for sooner, later in pairwise(found)}
    assert len(found) == 100
    assert gaps == {10}
    assert len(store.sample(START, START + 1000, 300)) == 250
    every = [each.time - START for each in store.sample(START + 10, START + 20)]
    assert every == list(range(10, 20))
    assert len(store.sample(START, START + 1000, 1000)) == 1000
    assert store.sample(START - 10, START) == []


def test_old_rows_are_deleted(
    store: UsageStore, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests and sums at their own ages, in several steps, and ids of batches at theirs."""
    monkeypatch.setattr(usage, "PRUNED_ROWS", 3)
    batches = {day: [record(day * DAY_SECONDS + n) for n in range(7)] for day in range(5)}
    for day, batch in batches.items():
        monkeypatch.setattr("time.time", lambda day=day: START + day * DAY_SECONDS)
        store.write(str(day), batch)
    store.prune(START + 4 * DAY_SECONDS + 7, request_days=2, rollup_days=3)
    kept = store.sample(START, START + 9 * DAY_SECONDS)
    assert [each.time for each in kept] == [r.time for day in (3, 4) for r in batches[day]]
    assert [day.day.day for day in store.days(date.min, date.max)] == [21, 22, 23, 24]
    assert [m.minute for m in store.minutes(0, 1e10)] == [
        START + day * DAY_SECONDS for day in (2, 3, 4)
    ]
    assert count(engine, "ledger_batches") == 5
    store.prune(START + (usage.BATCH_DAYS + 2.5) * DAY_SECONDS, request_days=99, rollup_days=99)
    assert count(engine, "ledger_batches") == 2


def test_a_keys_spending_outlives_its_days(store: UsageStore, engine: sa.Engine) -> None:
    """What older days did cost is one row a key, which only budgets for ever count."""
    for day in range(4):
        at = day * DAY_SECONDS
        store.write(f"{day}", [record(at, cost=1), record(at, key_id="key_b", app="x", cost=0.5)])
    for late in (2, 2, 3):
        store.prune(START + late * DAY_SECONDS, request_days=99, rollup_days=0)
        assert store.spent_since([FIRST_DAY, TODAY, date(2026, 11, 23)]) == {
            "key_a": [4, 4 - late, 1],
            "key_b": [2, (4 - late) / 2, 0.5],
        }
        assert store.spent("key_a", FIRST_DAY) == 4
        assert len(store.days(date.min, date.max)) == 2 * (4 - late)
    assert count(engine, "usage_days") == 2 * 2
    assert store.spent_since([FIRST_DAY, TODAY], "key_b") == {"key_b": [2, 0.5]}
    assert store.spent_since([FIRST_DAY], "no") == {}


def test_two_may_delete_at_once(store: UsageStore, engine: sa.Engine) -> None:
    """Gateways on one store prune at about the same time, while others write."""
    store.write("a", [record(number, cost=1) for number in range(500)])
    late = START + 40 * DAY_SECONDS
    with ThreadPoolExecutor(4) as pool:
        pruned = [pool.submit(store.prune, late, 30, 30) for _ in range(3)]
        written = pool.submit(store.write, "b", [record(40 * DAY_SECONDS)])
        for each in (*pruned, written):
            each.result()
    store.prune(late, 30, 30)
    assert count(engine, "requests") == 1
    assert store.spent("key_a", FIRST_DAY) == 500


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b\x1b[1mc\nd\x9f", "ab[1mcd"),
        ("half \ud83d of a pair", "half  of a pair"),
        ("größer 画 🙂", "größer 画 🙂"),
        ("🙂" * 2 * MAX_CHARACTERS, "🙂" * MAX_CHARACTERS),
    ],
    ids=["control", "surrogate", "other scripts", "long"],
)
def test_what_a_client_calls_itself_can_be_written(store: UsageStore, said: str, kept: str) -> None:
    """Without what a database does not take, not too long, and it is looked for alike."""
    store.write("a", [record(id=said, app=said, user=said)])
    found = store.find([said])
    assert found is not None
    assert (found.id, found.app, found.user) == (kept, kept, kept)
    assert [day.app for day in store.days(TODAY, TODAY)] == [kept]


@contextmanager
def locked(engine: sa.Engine) -> Iterator[None]:
    """Hold what a writer holds for as long as the block takes."""
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE usage_days SET cost = cost + 1")
        yield


def test_reading_waits_for_no_writer(store: UsageStore, engine: sa.Engine) -> None:
    """Reads answer while another transaction writes, with what was there before."""
    store.write("a", [record(cost=1)])
    with locked(engine):
        assert store.find(["req_0"]) is not None
        assert store.spent("key_a", TODAY) == 1
        assert len(store.days(TODAY, TODAY)) == len(store.minutes(0, 1e10)) == 1
        assert len(store.sample(0, 1e10)) == 1


def test_reading_holds_no_writer_up(store: UsageStore, engine: sa.Engine) -> None:
    """Rows are written while another transaction reads."""
    store.write("a", [record(cost=1)])
    with read_only(engine).connect() as reader:
        reader.exec_driver_sql("SELECT * FROM usage_days").all()
        store.write("b", [record(cost=1)])
    assert store.spent("key_a", TODAY) == 2


def test_a_store_at_its_newest_is_opened_while_another_writes(address: Address) -> None:
    """A start does not wait for the writers of a file."""
    engine = open_store(address)
    UsageStore(engine).write("a", [record()])
    with locked(engine):
        other = open_store(address)
        assert UsageStore(other).find(["req_0"]) is not None
        other.dispose()
    engine.dispose()
