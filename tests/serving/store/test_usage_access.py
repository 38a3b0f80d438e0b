"""The way of threads to the usage store: opened once, let go of by the last one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from serving.options import StoreSettings
from serving.store import database
from serving.store.address import Address
from serving.store.usage import UsageStore
from serving.store.usage_access import RowsRefused, StoreFailed, UsageAccess
from tests.postgres import PostgresServer
from tests.serving.usage_records import record

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'qwen3-vl-serving'"


def test_many_threads_open_it_once(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one opens it, and the others wait for that."""
    access, opened, really = UsageAccess(address), [], database.open_store

    def open_store(place: Address) -> sa.Engine:
        opened.append(place)
        return really(place)

    monkeypatch.setattr(database, "open_store", open_store)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(access.use, [lambda store: store.find(["x"])] * 12))
    access.close()
    assert (found, opened) == ([None] * 12, [address])


def test_connections_are_let_go_by_the_last_one(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """Whoever still works when it is closed finishes, and leaves none behind."""
    access = UsageAccess(Address.of(StoreSettings(url=postgres_url)))
    works, go = threading.Event(), threading.Event()

    def work(store: UsageStore) -> None:
        with store._reader.connect():
            works.set()
            assert go.wait(60)

    with ThreadPoolExecutor(1) as pool, postgres.connect() as watcher:
        working = pool.submit(access.use, work)
        assert works.wait(60)
        access.close()
        assert count(watcher) == 1
        go.set()
        working.result()
        give_up = 6000
        while count(watcher) and (give_up := give_up - 1):
            threading.Event().wait(0.01)
        assert count(watcher) == 0


def count(watcher: psycopg.Connection) -> int:
    """Return how many connections the server has of ours."""
    row = watcher.execute(OURS).fetchone()
    assert row is not None
    return int(row[0])


def test_failures_are_told_apart(address: Address) -> None:
    """A store that is not there, and rows that no store would take."""
    access = UsageAccess(address)
    with pytest.raises(RowsRefused) as caught:
        access.write("a", [record(max_tokens=2**70, app="canary")])
    assert "canary" not in str(caught.value)
    access.close()
    nowhere = UsageAccess(Address.of(StoreSettings(url="sqlite:////nowhere/at/all.db")))
    with pytest.raises(StoreFailed, match="cannot be opened"):
        nowhere.write("a", [record()])
