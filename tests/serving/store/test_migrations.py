"""Stores of older versions, on SQLite and on PostgreSQL."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from serving.gateway.key_terms import KeyTerms
from serving.store import migrations
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import KeyStore
from serving.store.usage import UsageStore
from tests.serving.usage_records import record

KEY = {
    "id": "key_a",
    "name": "alice",
    "owner": "",
    "digest": bytes(32),
    "models": "[]",
    "priority": "normal",
    "admin": False,
    "created_at": 1.0,
}


def test_an_older_stores_tables_are_brought_up(address: Address) -> None:
    """From the version without usage, with a key in it: the key stays, and usage can be kept."""
    engine = opened_at(address, "0002_leases")
    key = sa.table("api_keys", *(sa.column(name) for name in KEY))
    with engine.begin() as connection:
        connection.execute(sa.insert(key).values(KEY))
    engine.dispose()
    engine = open_store(address)
    keys = KeyStore(engine)
    assert keys.find("alice").id == "key_a"
    keys.create(KeyTerms(name="bob"))
    store = UsageStore(engine)
    store.write("a", [record()])
    assert store.find(["req_0"]) == record()
    engine.dispose()


def opened_at(address: Address, revision: str) -> sa.Engine:
    """Return a store as an older version has left it."""
    place = f"sqlite:///{address.path}" if address.path else address.place
    engine = sa.create_engine(place)
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine
