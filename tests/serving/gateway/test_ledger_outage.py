"""The ledger while its store fails, hangs or is not there: it waits, and requests do not."""

import asyncio
import logging
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
import pytest

from serving import logs
from serving.gateway import ledger as module
from serving.gateway.errors import StoreUnavailable
from serving.gateway.record import Record
from serving.options import StoreSettings
from serving.store import usage_access
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage_access import StoreFailed, UsageAccess
from tests.fake_engine import UNARY, FakeEngine, whole
from tests.postgres import PostgresServer
from tests.serving.gateway.kept_ledger import (  # noqa: F401 (fixtures)
    KeptLedger,
    fixture_address,
    fixture_quick,
    fixture_sqlite,
    ids,
    kept,
    run,
    until,
)
from tests.serving.gateway.shared_limits import plain
from tests.serving.usage_records import record

pytestmark = pytest.mark.usefixtures("quick")


def enter(ledger: KeptLedger, count: int, first: int = 0) -> None:
    """Enter so many requests."""
    for number in range(first, first + count):
        ledger.enter(record(number, cost=1))


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the ledger has logged that somebody should look at."""
    records = [each for each in caplog.records if each.name == module.__name__]
    return [each.getMessage() for each in records if each.levelno >= logging.WARNING]


def test_nothing_is_lost_while_postgresql_is_away(
    postgres: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is stopped and started again; what was entered meanwhile is there once."""
    caplog.set_level(logging.INFO, module.__name__)

    async def test() -> None:
        async with kept(Address.of(StoreSettings(url=postgres_url))) as ledger:
            enter(ledger, 5)
            await until(lambda: ledger.metric("rows_total") == 5)
            postgres.stop(signal.SIGQUIT)
            try:
                enter(ledger, 2000, 5)
                await until(lambda: ledger.metric("failures_total") >= 3)
                assert ledger.metric("unwritten_rows") == 2000
                assert ledger.metric("lag_seconds") > 0
                assert ledger.unwritten_cost("key_a") == 2000
                await ledger.flushed()
                with pytest.raises(StoreUnavailable, match="fails"):
                    await ledger.read(lambda store: store.spent("key_a", date.min))
            finally:
                postgres.start()
            enter(ledger, 5, 2005)
            await until(lambda: ledger.metric("rows_total") == 2010)
            assert ledger.stored() == ids(2010)
            assert ledger.metric("dropped_rows_total") == ledger.unwritten_cost("key_a") == 0

    run(test)
    [said] = complaints(caplog)
    assert "2000 requests wait for it, 0 are lost" in said
    assert caplog.messages.count("the usage ledger is written again") == 1


def test_a_ledger_opens_without_its_database(postgres: PostgresServer, postgres_url: str) -> None:
    """Nobody waits for it, and what was entered before it came is there then."""

    async def test() -> None:
        async with kept(Address.of(StoreSettings(url=postgres_url))) as ledger:
            try:
                enter(ledger, 3)
                await until(lambda: ledger.metric("failures_total") > 0)
            finally:
                postgres.start()
            await until(lambda: ledger.metric("rows_total") == 3)
            assert ledger.stored() == ids(3)

    postgres.stop()
    run(test)


@pytest.fixture(name="made")
def _made(address: Address) -> Address:
    """Return the address of a store whose tables are there."""
    open_store(address).dispose()
    return address


@pytest.fixture(name="made_sqlite")
def _made_sqlite(sqlite: Address) -> Address:
    """Return the address of a file whose tables are there."""
    open_store(sqlite).dispose()
    return sqlite


@contextmanager
def locked(address: Address) -> Iterator[None]:
    """Keep a store to somebody else: SQLite answers that it is locked, PostgreSQL nothing."""
    if address.path is None:
        with psycopg.connect(plain(address)) as other:
            other.execute("LOCK TABLE requests, usage_days")
            yield
        return
    file = sqlite3.connect(address.path, isolation_level=None)
    file.execute("BEGIN IMMEDIATE")
    yield
    file.execute("ROLLBACK")
    file.close()


def test_a_locked_store_holds_nobody_up(
    made: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as failing after a while; once it is free all is written, each row once."""
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)

    async def test() -> None:
        async with kept(made) as ledger:
            with locked(made):
                enter(ledger, 3)
                await until(lambda: ledger.metric("failures_total") >= 2)
                await ledger.flushed()
                assert ledger.metric("unwritten_rows") == 3
                enter(ledger, 3, 3)
            await until(lambda: ledger.metric("rows_total") == 6)
            assert ledger.stored() == ids(6)
            assert await ledger.read(lambda store: store.spent("key_a", date.min)) == 6

    run(test)
    assert len(complaints(caplog)) == 1


def test_a_store_that_hangs_holds_no_reader_for_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to try again."""
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    address = Address.of(StoreSettings(url=postgres_url))
    open_store(address).dispose()

    async def test() -> None:
        async with kept(address) as ledger:
            with locked(address), pytest.raises(StoreUnavailable, match="does not answer"):
                await ledger.read(lambda store: store.find(["req_0"]))
            await until(lambda: not ledger._beside)

    run(test)


def test_a_folder_that_cannot_be_written_degrades(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No file can be made in it: requests are counted as lost, and all else goes on."""
    monkeypatch.setenv("XDG_STATE_HOME", "/sys")
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.2)

    async def test() -> None:
        async with kept(Address.of(StoreSettings()), max_unwritten_requests=3) as ledger:
            enter(ledger, 5)
            await until(lambda: ledger.metric("failures_total") >= 3)
            assert ledger.metric("unwritten_rows") == 3
            assert ledger.metric("dropped_rows_total") == 2
            with pytest.raises(StoreUnavailable):
                await ledger.read(lambda store: store.find(["req_0"]))

    run(test)
    first, last = complaints(caplog)
    assert "/sys/qwen3-vl-serving/serving.db cannot be opened" in first
    assert "3 requests are not in the usage ledger" in last


def test_the_newest_are_lost_where_too_many_wait(made_sqlite: Address) -> None:
    """The oldest are written in the end; the metric says how many are not."""

    async def test() -> None:
        async with kept(made_sqlite, max_unwritten_requests=4) as ledger:
            with locked(made_sqlite):
                enter(ledger, 3)
                await until(lambda: ledger.metric("failures_total") >= 2)
                enter(ledger, 3, 3)
                assert ledger.metric("dropped_rows_total") == 2
                assert ledger.unwritten_cost("key_a") == 4
            await until(lambda: ledger.metric("rows_total") == 4)
            assert ledger.stored() == ids(4)

    run(test)


@pytest.mark.parametrize("fault", [{"max_tokens": 2**70}, {"outcome": "news"}])
def test_one_bad_row_is_lost_alone(
    address: Address, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    """What no database takes does not keep others out; the log has its id and not its words."""

    async def test() -> None:
        async with kept(address) as ledger:
            enter(ledger, 50)
            ledger.enter(record(50, **fault, app="canary"))
            enter(ledger, 50, 51)
            await until(lambda: ledger.metric("unwritten_rows") == 0)
            assert ledger.stored() == ids(50) + ids(50, 51)
            assert ledger.metric("dropped_rows_total") == 1

    run(test)
    [said] = complaints(caplog)
    assert "req_50" in said
    assert "canary" not in said


def test_a_lost_acknowledgement_counts_nothing_twice(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was written, the connection broke before that was said, and it is written again."""
    write, lost = UsageAccess.write, []

    def write_and_break(access: UsageAccess, batch_id: str, records: Sequence[Record]) -> None:
        write(access, batch_id, records)
        if len(lost) < 2:
            lost.append(batch_id)
            raise StoreFailed("the connection was reset")

    monkeypatch.setattr(UsageAccess, "write", write_and_break)

    async def test() -> None:
        async with kept(address) as ledger:
            enter(ledger, 3)
            await until(lambda: ledger.metric("rows_total") == 3)
            assert ledger.stored() == ids(3)
            assert await ledger.read(lambda store: store.spent("key_a", date.min)) == 3

    run(test)
    assert len(set(lost)) == 1


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, ImportError, OSError])
def test_whatever_fails_in_a_thread_the_ledger_goes_on(
    sqlite: Address, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """As where no thread can be started, or no file opened."""
    use, failed = UsageAccess.use, []

    def fail_first(access: UsageAccess, work: Callable[[Any], Any]) -> Any:
        if len(failed) < 4:
            failed.append(1)
            raise error("canary")
        return use(access, work)

    monkeypatch.setattr(usage_access.UsageAccess, "use", fail_first)

    async def test() -> None:
        async with kept(sqlite) as ledger:
            enter(ledger, 3)
            await until(lambda: ledger.metric("rows_total") == 3)

    run(test)


def test_an_end_without_the_store_says_what_is_missing(
    made_sqlite: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits for some seconds, no longer; who waits for a flush goes on."""
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)

    async def test() -> None:
        ledger = KeptLedger(made_sqlite)
        await ledger.open()
        with locked(made_sqlite):
            enter(ledger, 7)
            flushed = asyncio.create_task(ledger.flushed())
            await ledger.close()
            await flushed

    run(test)
    assert "7 requests are not in the usage ledger" in complaints(caplog)[-1]


def test_an_end_waits_for_a_store_that_comes_back(made_sqlite: Address) -> None:
    """Within its seconds nothing is lost."""

    async def test() -> None:
        ledger = KeptLedger(made_sqlite)
        await ledger.open()
        with locked(made_sqlite):
            enter(ledger, 7)
            await until(lambda: ledger.metric("failures_total") > 0)
            closing = asyncio.create_task(ledger.close())
            await asyncio.sleep(0.05)
        await closing
        assert ledger.stored() == ids(7)

    run(test)


def test_the_log_is_told_once_a_minute(
    made_sqlite: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it fails; then again, while it goes on."""

    async def test() -> None:
        async with kept(made_sqlite) as ledger:
            with locked(made_sqlite):
                enter(ledger, 1)
                await until(lambda: ledger.metric("failures_total") >= 5)
                assert len(complaints(caplog)) == 1
                monkeypatch.setattr(logs, "COMPLAINT_SECONDS", 0)
                await until(lambda: len(complaints(caplog)) >= 2)

    run(test)


def test_requests_are_answered_where_no_ledger_can_be_kept(
    start_gateway: Callable[..., Any],
    wait_for: Any,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a folder that is read only: the start, the answers and the end are as ever."""
    engine.default = whole(UNARY)
    monkeypatch.setenv("XDG_STATE_HOME", "/sys")
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.2)
    gateway = start_gateway(usage=True)
    gateway.wait_ready()
    wait_for(lambda: gateway.metric("gateway_ledger_failures_total") > 0)
    assert gateway.chat().status == 200
    assert gateway.metric("gateway_ledger_unwritten_rows") == 1
    assert gateway.metric('gateway_key_source_stale{source="store"}') == 0
