"""Gateways that share limits over one real PostgreSQL, in a minute that stands still."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from prometheus_client import Gauge
from pydantic import SecretStr

from serving.gateway.errors import RateLimited
from serving.gateway.key import Key
from serving.gateway.rate_account import Charge
from serving.gateway.rate_lease import LeasedRateLimits, Timing
from serving.gateway.rate_limit import RateLimits
from serving.gateway.rate_window import Clock
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.leases import LeaseBook
from tests.postgres import WAIT_SECONDS

FAST = Timing(
    tick_seconds=0.05,
    slot_retry_seconds=0.02,
    beat_seconds=0.2,
    expiry_seconds=WAIT_SECONDS,
    answer_seconds=WAIT_SECONDS,
)
NOON = 12 * 3600.0


@pytest.fixture(name="gauge")
def fixture_gauge() -> Gauge:
    """Return the gauge that tells of a lost store."""
    return Gauge("stale", "stale", registry=None)


@pytest.fixture(name="store")
def fixture_store(postgres_url: str) -> Address:
    """Return a store of one test, with its tables."""
    address = Address.of(StoreSettings(url=SecretStr(postgres_url)))
    open_store(address).dispose()
    return address


def key(**limits: Any) -> Key:
    """Return a key with these limits."""
    return Key(id="key_a", name="a", digest=bytes(32), **limits)


def gateway(
    store: Address,
    gauge: Gauge,
    number: int = 0,
    *,
    now: Callable[[], float] = lambda: NOON,
    timing: Timing = FAST,
) -> LeasedRateLimits:
    """Return one gateway's limits; its store has a thread of its own."""
    book = LeaseBook(lambda: sa.create_engine(store.place), str(number), timing.expiry_seconds)
    return LeasedRateLimits(book, gauge, clock=Clock(now=now), timing=timing)


@asynccontextmanager
async def opened(
    store: Address, gauge: Gauge, count: int = 3
) -> AsyncIterator[list[LeasedRateLimits]]:
    """Run so many gateways."""
    gateways = [gateway(store, gauge, number) for number in range(count)]
    for one in gateways:
        await one.open()
    try:
        yield gateways
    finally:
        for one in gateways:
            await one.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes about by itself."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


async def attempt(limits: RateLimits, asked: Key, tokens: int = 1) -> Charge | None:
    """Ask once."""
    try:
        return await limits.admit(asked, tokens)
    except RateLimited:
        return None


def ask_store(store: Address, question: str) -> Any:
    """Return what the database itself says."""
    with psycopg.connect(plain(store)) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row and row[0]


def taken(store: Address, unit: str) -> int:
    """Return what all gateways together have leased of the minute."""
    return ask_store(store, f"SELECT taken FROM lease_windows WHERE unit = '{unit}'") or 0  # noqa: S608


def plain(store: Address) -> str:
    """Return the address as the driver itself takes it."""
    return store.place.set(drivername="postgresql").render_as_string(hide_password=False)
