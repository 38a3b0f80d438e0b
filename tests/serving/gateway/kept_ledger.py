"""A ledger that runs, what the store holds of it, and what its metrics say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.gateway import ledger as module
from serving.gateway.ledger import Ledger
from serving.gateway.metrics import GatewayMetrics
from serving.options import StoreSettings
from serving.store import database
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import UsageStore
from tests.postgres import WAIT_SECONDS
from tests.serving.usage_records import START

DAY = 86_400


class KeptLedger(Ledger):
    """A ledger with its own metrics."""

    def __init__(self, address: Address, **settings: Any) -> None:
        self.address = address
        self._gateway_metrics = GatewayMetrics()
        usual = {"request_days": 10_000, "rollup_days": 10_000}
        super().__init__(address, StoreSettings(**usual | settings), self._gateway_metrics.ledger)

    def metric(self, name: str) -> float:
        """Return what is told of it."""
        value = self._gateway_metrics.registry.get_sample_value(f"gateway_ledger_{name}")
        assert value is not None
        return value

    def stored(self) -> list[str]:
        """Return the ids that the store holds, in their requests' order; none before it is made."""
        if not self.address.exists:
            return []
        engine = open_store(self.address)
        try:
            return [each.id for each in UsageStore(engine).sample(START, START + DAY)]
        finally:
            engine.dispose()


@asynccontextmanager
async def kept(address: Address, **settings: Any) -> AsyncIterator[KeptLedger]:
    """Run a ledger for as long as the block takes."""
    ledger = KeptLedger(address, **settings)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in an event loop."""
    asyncio.run(work())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes about by itself; other tasks go on."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


def ids(count: int, first: int = 0) -> list[str]:
    """Return the ids of the records with these numbers."""
    return [f"req_{number}" for number in range(first, first + count)]


@pytest.fixture(name="quick")
def fixture_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for where a store fails."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)


@pytest.fixture(name="sqlite")
def fixture_sqlite(tmp_path: Path) -> Address:
    """Return the address of a file that is not there yet."""
    return Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/serving.db"))


@pytest.fixture(name="address", params=["sqlite", "postgresql"])
def fixture_address(request: pytest.FixtureRequest) -> Address:
    """Return the address of an empty store of each kind."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite")
    return Address.of(StoreSettings(url=request.getfixturevalue("postgres_url")))
