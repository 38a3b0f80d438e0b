"""The store's addresses, its file and its tables, on SQLite and on PostgreSQL."""

import sqlite3
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from serving.failure import StartError
from serving.options import StoreSettings
from serving.store import database, migrations
from serving.store.address import Address, default_path
from serving.store.database import open_store, read_only


def test_the_default_store_is_a_private_file_in_the_state_folder() -> None:
    """Nobody else may read the folder or the file, and nothing is made before it is opened."""
    address = Address.of(StoreSettings())
    assert address.is_default
    assert address.path == default_path()
    assert not address.exists
    open_store(address).dispose()
    path = default_path()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:1/db?sslpassword=hunter2",
        "postgresql://u:hunter2@/db?host=/nowhere",
        "sqlite:////nowhere/at/all.db",
        "sqlite:///.",
        "sqlite:///a\0b",
    ],
)
def test_a_store_that_cannot_be_reached_is_named(url: str) -> None:
    """The reason holds the address without what may be secret in it."""
    with pytest.raises(StartError, match=r"store\.url .*cannot be opened") as caught:
        open_store(Address.of(StoreSettings(url=url)))
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """It is left as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StartError, match="not a database"):
        open_store(Address.of(StoreSettings(url=f"sqlite:///{path}")))
    assert path.read_text().startswith("not a database")


def test_a_lost_file_is_not_made_anew(tmp_path: Path) -> None:
    """An open store whose file is taken away fails, and makes no empty one."""
    path = tmp_path / "serving.db"
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{path}")))
    path.unlink()
    with pytest.raises(sa.exc.OperationalError), engine.connect():
        pass
    assert not path.exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """Return the address of an empty store of each kind."""
    if request.param == "sqlite":
        return Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/100%/a b?.db".replace("?", "")))
    return Address.of(StoreSettings(url=request.getfixturevalue("postgres_url")))


def test_many_may_open_an_empty_store_at_once(address: Address) -> None:
    """One of them makes the tables, none fails, and a second opening changes nothing."""
    if address.path:
        address.path.parent.mkdir()
    with ThreadPoolExecutor(6) as pool:
        engines = list(pool.map(open_store, [address] * 6))
    tables = {name for engine in engines for name in sa.inspect(engine).get_table_names()}
    for engine in engines:
        engine.dispose()
    assert {"api_keys", migrations.VERSION_TABLE} <= tables


def test_a_file_has_one_writer_at_a_time_who_leaves_all_or_nothing(tmp_path: Path) -> None:
    """A transaction shuts out other writers from its beginning, and a broken one leaves nothing."""
    path = tmp_path / "serving.db"
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{path}")))
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        connection.execute(sa.text("CREATE TABLE half (id INTEGER)"))
        raise ZeroDivisionError
    assert "half" not in sa.inspect(engine).get_table_names()
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_lost_postgresql_is_noticed_within_seconds(postgres_url: str) -> None:
    """By the driver's own limits, which an operator's URL may set otherwise."""
    for more, idle in (("", str(database.PATIENCE_SECONDS)), ("&keepalives_idle=7", "7")):
        engine = open_store(Address.of(StoreSettings(url=postgres_url + more)))
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            said = driver.info.get_parameters()
        engine.dispose()
        assert said["keepalives_idle"] == idle
        assert said["connect_timeout"] == str(database.PATIENCE_SECONDS)
        assert said["tcp_user_timeout"] == str(1000 * database.PATIENCE_SECONDS)


def test_one_process_at_a_time_makes_postgresqls_tables(postgres_url: str) -> None:
    """Who comes second waits until the first is done."""
    address = Address.of(StoreSettings(url=postgres_url))
    engine = sa.create_engine(address.place)
    lock = sa.select(sa.func.pg_advisory_lock(migrations.ADVISORY_LOCK))
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as pool, engine.connect() as first:
        first.execute(lock)
        second = pool.submit(open_store, address)
        give_up = time.monotonic() + 60
        while not first.execute(waiting).scalar():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        assert not second.done()
        first.execute(sa.select(sa.func.pg_advisory_unlock_all()))
        opened = second.result(60)
    assert "api_keys" in sa.inspect(opened).get_table_names()
    for each in (engine, opened):
        each.dispose()


def test_a_newer_versions_store_is_refused(address: Address) -> None:
    """An older program does not write into tables that it does not know."""
    if address.path:
        address.path.parent.mkdir()
    engine = open_store(address)
    with engine.begin() as connection:
        version = sa.text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999_future'")  # noqa: S608
        connection.execute(version)
    engine.dispose()
    with pytest.raises(StartError, match="newer version"):
        open_store(address)


def test_the_history_is_one_line() -> None:
    """In the order of the files' names: the last one says what a store is to be like."""
    scripts = ScriptDirectory(str(migrations.FOLDER))
    assert len(scripts.get_heads()) == 1
    history = [script.revision for script in scripts.walk_revisions()]
    names = [path.stem for path in migrations.FOLDER.glob("versions/*.py")]
    assert history == sorted(names, reverse=True)


def test_who_reads_holds_no_writer_of_a_file_up(tmp_path: Path) -> None:
    """Nor waits for one: it sees what was there when it began."""
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/serving.db")))
    count = sa.text("SELECT count(*) FROM lease_gateways")
    with read_only(engine).connect() as reader:
        assert reader.execute(count).scalar_one() == 0
        with engine.begin() as writer:
            writer.execute(sa.text("INSERT INTO lease_gateways VALUES ('a', '2026-11-20')"))
            with read_only(engine).connect() as other:
                assert other.execute(count).scalar_one() == 0
        assert reader.execute(count).scalar_one() == 0
    engine.dispose()


def test_who_reads_cannot_write_on_postgresql(postgres_url: str) -> None:
    """And the connection is as it was for the next one who has it."""
    engine = open_store(Address.of(StoreSettings(url=postgres_url)))
    wrong = sa.text("DELETE FROM lease_gateways")
    refused = pytest.raises(sa.exc.InternalError, match="read-only")
    with refused, read_only(engine).begin() as connection:
        connection.execute(wrong)
    with engine.begin() as connection:
        connection.execute(wrong)
    engine.dispose()
