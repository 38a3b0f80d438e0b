"""Shared limits where a gateway is killed or stops, and where the database is away or hangs."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from prometheus_client import Gauge

from serving.gateway.rate_account import Charge
from serving.gateway.rate_lease import LeasedRateLimits, Timing
from serving.store.address import Address
from tests.postgres import WAIT_SECONDS, PostgresServer
from tests.serving.gateway.shared_limits import (  # noqa: F401 (fixtures)
    FAST,
    ask_store,
    attempt,
    fixture_gauge,
    fixture_store,
    gateway,
    key,
    opened,
    plain,
    taken,
    until,
)

HOLDER = """
import asyncio, sys
from prometheus_client import Gauge
from pydantic import SecretStr
from serving.gateway.key import Key
from serving.gateway.rate_lease import LeasedRateLimits, Timing
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.leases import LeaseBook

async def run():
    store = Address.of(StoreSettings(url=SecretStr(sys.argv[1])))
    timing = Timing(tick_seconds=0.05, beat_seconds=0.1, expiry_seconds=4.0)
    book = LeaseBook(lambda: open_store(store), "holder", timing.expiry_seconds)
    limits = await LeasedRateLimits(book, Gauge("s", "s", registry=None), timing=timing).open()
    key = Key(id="key_a", name="a", digest=bytes(32), max_concurrent=2)
    charges = [await limits.admit(key, 1) for _ in range(2)]
    print("holding", flush=True)
    await asyncio.sleep(600)

asyncio.run(run())
"""


@pytest.fixture
def holder(store: Address) -> Iterator[subprocess.Popen[str]]:
    """Run a gateway in a process of its own that holds both slots of the key."""
    url = store.place.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_slots_of_a_killed_gateway_come_back(
    store: Address, gauge: Gauge, holder: subprocess.Popen[str]
) -> None:
    """Not while it lives and says so, and soon after it was killed."""

    expires_at = "SELECT expires_at FROM lease_gateways WHERE gateway_id = 'holder'"

    async def run() -> None:
        async with opened(store, gauge, 1) as (one,):
            asked = key(max_concurrent=2)
            first = ask_store(store, expires_at)
            await until(lambda: ask_store(store, expires_at) > first)
            assert await attempt(one, asked) is None
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            charges: list[Charge | None] = []
            give_up = time.monotonic() + WAIT_SECONDS
            while len(charges) < 2:
                assert time.monotonic() < give_up
                charges += filter(None, [await attempt(one, asked)])
                await asyncio.sleep(0.02)

    asyncio.run(run())


def test_a_killed_gateway_is_given_up_within_30_seconds() -> None:
    """With the timing that is used, and not before it missed several signs of life."""
    timing = Timing()
    assert 3 * timing.beat_seconds < timing.expiry_seconds
    assert timing.expiry_seconds + timing.tick_seconds + timing.slot_retry_seconds < 30


def test_a_gateway_that_stops_gives_back_what_it_holds(store: Address, gauge: Gauge) -> None:
    """A rollout takes nothing from a key."""

    async def run() -> None:
        async with opened(store, gauge, 1) as (stays,):
            async with opened(store, gauge, 1):
                pass
            leaves = gateway(store, gauge, 7)
            await leaves.open()
            asked = key(max_concurrent=1, tokens_per_minute=1000)
            charge = await leaves.admit(asked, 400)
            charge.settle(100)
            await leaves.close()
            assert taken(store, "tokens") == 100
            charge = await stays.admit(asked, 900)
            charge.close()

    asyncio.run(run())


def test_limits_hold_while_the_database_is_away(
    postgres: PostgresServer, store: Address, gauge: Gauge, caplog: pytest.LogCaptureFixture
) -> None:
    """Each gateway has its part, nobody waits or fails, and all is well again by itself."""
    asked = key(requests_per_minute=60, max_concurrent=4)

    async def use(one: LeasedRateLimits, count: int) -> int:
        charges = [await attempt(one, asked) for _ in range(count)]
        admitted = [charge for charge in charges if charge is not None]
        for charge in admitted:
            charge.close()
        return len(admitted)

    async def each(one: LeasedRateLimits) -> int:
        return sum([await use(one, 1) for _ in range(40)])

    async def run() -> None:
        async with opened(store, gauge, 2) as gateways:
            await until(lambda: all(one.gateways == 2 for one in gateways))
            assert [await use(one, 1) for one in gateways] == [1, 1]
            postgres.stop(signal.SIGQUIT)
            try:
                await until(lambda: all(one.away for one in gateways))
                assert gauge.collect()[0].samples[0].value == 1
                assert [await each(one) for one in gateways] == [29, 29]
                assert [await use(one, 1) for one in gateways] == [0, 0]
            finally:
                postgres.start()
            await until(lambda: not any(one.away for one in gateways))
            assert gauge.collect()[0].samples[0].value == 0
            await until(lambda: taken(store, "requests") == 60)
            assert [await use(one, 1) for one in gateways] == [0, 0]

    asyncio.run(run())
    lost = [record for record in caplog.records if "cannot be leased" in record.message]
    assert len(lost) == 2


def test_a_database_that_hangs_holds_nobody_up(
    store: Address, gauge: Gauge, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as away after a while, and is asked again when it answers."""
    asked = key(requests_per_minute=10)

    async def run() -> None:
        one = await gateway(store, gauge, timing=replace(FAST, answer_seconds=0.5)).open()
        try:
            with psycopg.connect(plain(store)) as other:
                other.execute("LOCK TABLE lease_windows, lease_gateways")
                assert await attempt(one, asked) is not None
                assert one.away
                charges = [await attempt(one, asked) for _ in range(10)]
                assert charges.count(None) == 1
            await until(lambda: not one.away)
            await until(lambda: taken(store, "requests") == 10)
            assert await attempt(one, asked) is None
        finally:
            await one.close()

    asyncio.run(run())
    assert "no answer in 0.5 s" in caplog.text


def test_a_gateway_starts_without_the_database(
    postgres: PostgresServer, store: Address, gauge: Gauge
) -> None:
    """It counts alone until the database is there."""
    asked = key(requests_per_minute=2)

    async def run() -> None:
        one = gateway(store, gauge, 1)
        try:
            await one.open()
            assert one.away
            assert await attempt(one, asked) is not None
        finally:
            postgres.start()
        await until(lambda: not one.away)
        await until(lambda: taken(store, "requests") == 1)
        assert await attempt(one, asked) is not None
        assert await attempt(one, asked) is None
        await one.close()

    postgres.stop()
    asyncio.run(run())
