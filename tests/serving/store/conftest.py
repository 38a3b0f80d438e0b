"""A store of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store


@pytest.fixture(name="address", params=["sqlite", "postgresql"])
def _address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """Return the address of an empty store of each kind."""
    sqlite = f"sqlite:///{tmp_path}/serving.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return Address.of(StoreSettings(url=url))


@pytest.fixture(name="engine")
def _engine(address: Address) -> Iterator[sa.Engine]:
    """Return connections to it; its tables are there."""
    engine = open_store(address)
    yield engine
    engine.dispose()
