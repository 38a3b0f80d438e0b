"""The ledger while its store is well: what is entered is there soon, and nothing waits for it."""

import asyncio
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from serving.failure import StartError
from serving.gateway import key_source
from serving.gateway import ledger as module
from serving.gateway.backlog import BATCH_ROWS
from serving.gateway.errors import StoreUnavailable
from serving.gateway.key import ANYBODY
from serving.gateway.key_terms import KeyTerms
from serving.gateway.keys import load_keys
from serving.options import GatewaySettings, Settings, StoreSettings
from serving.store.address import Address, default_path
from serving.store.database import open_store
from serving.store.keys import KeyStore
from serving.store.usage import UsageStore
from tests.fake_engine import UNARY, FakeEngine, whole
from tests.serving.gateway.kept_ledger import (  # noqa: F401 (fixtures)
    fixture_address,
    fixture_quick,
    fixture_sqlite,
    ids,
    kept,
    run,
    until,
)
from tests.serving.usage_records import START, record


def test_what_is_entered_is_soon_in_the_store(address: Address) -> None:
    """Nobody has to ask for it; the metrics say that nothing waits any more."""

    async def test() -> None:
        async with kept(address) as ledger:
            ledger.enter(record(0))
            assert ledger.metric("unwritten_rows") == 1
            assert ledger.metric("lag_seconds") > 0
            await until(lambda: ledger.stored() == ids(1))
            ledger.enter(record(1))
            await until(lambda: ledger.stored() == ids(2))
            await until(lambda: ledger.metric("rows_total") == 2)
            assert ledger.metric("unwritten_rows") == ledger.metric("lag_seconds") == 0
            assert ledger.metric("failures_total") == ledger.metric("dropped_rows_total") == 0
            assert ledger.metric("write_seconds_count") == 2

    run(test)


def test_a_flush_waits_for_what_was_entered_before(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not for the next time to write; others are waited for by none."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 3600)

    async def test() -> None:
        async with kept(address) as ledger:
            await ledger.flushed()
            ledger.enter(record(0))
            both = asyncio.gather(ledger.flushed(), ledger.flushed())
            await both
            assert ledger.stored() == ids(1)
            ledger.enter(record(1))
            assert ledger.stored() == ids(1)

    run(test)


def test_a_full_batch_is_written_at_once(sqlite: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before the time to write."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 3600)

    async def test() -> None:
        async with kept(sqlite) as ledger:
            for number in range(BATCH_ROWS):
                ledger.enter(record(number))
            await until(lambda: ledger.metric("rows_total") == BATCH_ROWS)

    run(test)


def test_the_end_writes_what_is_left(address: Address) -> None:
    """More than a batch, entered a moment before."""
    count = 2 * BATCH_ROWS + 1

    async def test() -> None:
        async with kept(address) as ledger:
            for number in range(count):
                ledger.enter(record(number))
        assert ledger.stored() == ids(count)
        assert ledger.unwritten_cost("key_a") == 0

    run(test)


@pytest.mark.parametrize("missing", ["generates", "known"])
def test_others_are_not_entered(sqlite: Address, missing: str) -> None:
    """A request for the models, or with a wrong key, is nobody's usage."""

    async def test() -> None:
        async with kept(sqlite) as ledger:
            ledger.enter(record(0, **{missing: False}))
            assert ledger.metric("unwritten_rows") == 0

    run(test)


def test_what_is_not_written_yet_costs_already(
    sqlite: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget counts it by key, until the store has it."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 3600)

    async def test() -> None:
        async with kept(sqlite) as ledger:
            for key_id, cost in (("key_a", 0.1), ("key_a", 0.2), ("key_b", 0.4)):
                ledger.enter(record(0, key_id=key_id, cost=cost))
            assert ledger.unwritten_cost("key_a") == pytest.approx(0.3)
            assert ledger.unwritten_cost("key_b") == 0.4
            await ledger.flushed()
            assert ledger.unwritten_cost("key_a") == ledger.unwritten_cost("no") == 0
            spent = await ledger.read(lambda store: store.spent("key_a", date(2026, 11, 20)))
            assert spent == pytest.approx(0.3)

    run(test)


def test_a_read_is_a_thread_of_its_own(sqlite: Address) -> None:
    """It returns what the work returns, and raises what is wrong with it."""

    async def test() -> None:
        async with kept(sqlite) as ledger:
            ledger.enter(record(0))
            await ledger.flushed()
            found, thread = await ledger.read(
                lambda store: (store.find(["req_0"]), threading.current_thread())
            )
            assert found == record(0)
            assert thread is not threading.current_thread()
            with pytest.raises(ZeroDivisionError):
                await ledger.read(lambda _store: 1 / 0)

    run(test)


def test_many_who_read_at_once_are_served_in_turn(sqlite: Address) -> None:
    """All of them get their answer, by no more threads than a few."""
    inside: list[int] = []
    most = 0

    def read(_store: UsageStore) -> int:
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        time.sleep(0.002)
        return inside.pop()

    async def test() -> None:
        async with kept(sqlite) as ledger:
            readers = (ledger.read(read) for _ in range(5 * module.MAX_THREADS))
            assert sum(await asyncio.gather(*readers)) == 5 * module.MAX_THREADS

    run(test)
    assert 1 < most <= module.MAX_THREADS


def test_a_read_that_finds_no_thread_takes_no_turn(
    sqlite: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no thread left it fails, and the next ones are served."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def test() -> None:
        async with kept(sqlite) as ledger:
            await until(lambda: not ledger._beside)
            with monkeypatch.context() as without:
                without.setattr(threading.Thread, "start", refuse)
                for _ in range(module.MAX_THREADS):
                    with pytest.raises(RuntimeError, match="new thread"):
                        await ledger.read(lambda _store: 1)
            assert await ledger.read(lambda _store: 1) == 1

    run(test)


def test_a_read_that_takes_too_long_is_given_up(
    sqlite: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more threads are started than a few."""
    monkeypatch.setattr(module, "READ_SECONDS", 0.05)
    go, started = threading.Event(), []

    def hang(_store: UsageStore) -> None:
        started.append(1)
        go.wait()

    async def test() -> None:
        async with kept(sqlite) as ledger:
            for _ in range(module.MAX_THREADS + 3):
                with pytest.raises(StoreUnavailable, match="does not answer") as caught:
                    await ledger.read(hang)
                assert caught.value.headers()
            assert len(started) <= module.MAX_THREADS
            go.set()
            await until(lambda: not ledger._beside)
            assert await ledger.read(lambda _store: 1) == 1

    run(test)


def test_old_rows_are_deleted_at_the_start_and_from_then_on(
    sqlite: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the settings, beside the writing."""
    monkeypatch.setattr(module, "PRUNE_SECONDS", 0.05)
    engine = open_store(sqlite)
    store, now = UsageStore(engine), time.time()

    def held() -> int:
        return len(store.sample(0, now + 1))

    async def test() -> None:
        store.write("a", [record(now - START), record(now - START - 40 * 86_400)])
        async with kept(sqlite, request_days=30):
            await until(lambda: held() == 1)
            store.write("b", [record(now - START - 40 * 86_400)])
            await until(lambda: held() == 1)

    run(test)
    engine.dispose()


def test_the_default_store_is_made_private_and_opens_and_closes_no_door() -> None:
    """A ledger's file without keys changes nothing about who is let in."""

    async def test() -> None:
        async with kept(Address.of(StoreSettings())) as ledger:
            ledger.enter(record(0))
            await ledger.flushed()

    run(test)
    path = default_path()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring = load_keys(Settings())
    assert ring.find({}) is ANYBODY
    assert not ring.needed
    ring.close()
    with pytest.raises(StartError, match="no API key is set"):
        load_keys(Settings(gateway=GatewaySettings(host="192.0.2.1")))


IMPORTS = """
import asyncio, sys, threading
from serving.gateway.ledger import Ledger
from serving.gateway.metrics import GatewayMetrics
from serving.options import StoreSettings
from serving.store.address import Address
from tests.serving.usage_records import record

threads = []

class Witness:
    def find_spec(self, name, path=None, target=None):
        if name in {"sqlalchemy", "alembic"}:
            threads.append((name, threading.current_thread() is threading.main_thread()))

sys.meta_path.insert(0, Witness())

async def run():
    ledger = Ledger(Address.of(StoreSettings()), StoreSettings(), GatewayMetrics().ledger)
    await ledger.open()
    ledger.enter(record())
    await ledger.flushed()
    await ledger.read(lambda store: store.find(["req_0"]))
    await ledger.close()

asyncio.run(run())
assert set(threads) == {("sqlalchemy", False), ("alembic", False)}, threads
"""


def test_the_event_loop_loads_no_database() -> None:
    """That takes a fifth of a second, in which no stream would go on."""
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, timeout=60)


def test_a_gateway_with_a_ledger_still_needs_no_key(
    start_gateway: Callable[..., Any],
    wait_for: Any,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own file is there and holds no key; the first key that is made closes the door."""
    monkeypatch.setattr(key_source, "REREAD_SECONDS", 0.1)
    engine.default = whole(UNARY)
    gateway = start_gateway(usage=True)
    gateway.wait_ready()
    assert gateway.chat().status == 200
    wait_for(lambda: gateway.metric("gateway_ledger_rows_total") == 1)
    assert default_path().exists()
    assert gateway.chat().status == 200
    opened = open_store(Address.of(StoreSettings()))
    issued = KeyStore(opened).create(KeyTerms(name="alice"))
    opened.dispose()
    wait_for(lambda: gateway.chat().status == 401)
    assert gateway.chat({"authorization": f"Bearer {issued.text}"}).status == 200
    wait_for(lambda: gateway.metric("gateway_ledger_unwritten_rows") == 0)
    gateway.end()
    found = open_store(Address.of(StoreSettings()))
    days = UsageStore(found).days(date.min, date.max)
    found.dispose()
    assert sorted(day.key for day in days) == ["alice", "anybody"]
