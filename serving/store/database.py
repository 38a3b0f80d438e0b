"""Opens the store, SQLite or PostgreSQL, with its tables at this version's state."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from serving.failure import NotDone, StartError
from serving.store.address import Address

PATIENCE_SECONDS: Final = 5
# An option of ours for SQLite, and SQLAlchemy's own for PostgreSQL.
READ_ONLY: Final[dict[str, Any]] = {"sqlite_read_only": True, "postgresql_readonly": True}
# What a URL does not say itself.
POSTGRES: Final[dict[str, Any]] = {
    "application_name": "qwen3-vl-serving",
    "connect_timeout": PATIENCE_SECONDS,
    # A server's machine that is gone without a word is noticed, also while its answer is awaited.
    "tcp_user_timeout": 1000 * PATIENCE_SECONDS,
    "keepalives_idle": PATIENCE_SECONDS,
    "keepalives_interval": PATIENCE_SECONDS,
    # A pooler in between keeps no prepared statements.
    "prepare_threshold": None,
}


def open_store(address: Address) -> sa.Engine:
    """Connect, create what is missing, and bring the tables to this version's state.

    Every transaction of the returned engine is serialized with other writers on SQLite, but for
    those of `read_only`. Raises StartError naming the address, its password masked.
    """
    from serving.store.migrations import NewerStoreError, upgrade  # noqa: PLC0415 - it imports this

    try:
        if address.is_default and address.path is not None:
            address.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = address.place
        engine = _sqlite(place) if isinstance(place, Path) else _postgres(place)
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None
    try:
        upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise _unreachable(address, error) from None
    except NewerStoreError:
        engine.dispose()
        raise StartError(
            f"{address} was written by a newer version.",
            "Update this one, or name another store in store.url.",
        ) from None
    return engine


@contextlib.contextmanager
def visited_store(address: Address, *, new: bool = False) -> Iterator[sa.Engine]:
    """Open the store for one command; one that is not there is made only if it is to be a new one.

    Raises NotDone where it is not there, or fails.
    """
    if not (new or address.exists):
        raise NotDone(
            f"There is no store yet at {address}.",
            "`serving keys create NAME` makes it, and a gateway that keeps usage; store.url names "
            "another one.",
        )
    engine = open_store(address)
    try:
        yield engine
    except SQLAlchemyError as error:
        raise NotDone(f"{address} failed: {reason(error)}.", "Try again.") from None
    finally:
        engine.dispose()


def read_only(engine: sa.Engine) -> sa.Engine:
    """Return the same engine for reading alone, which waits for no writer and holds none up."""
    return engine.execution_options(**READ_ONLY)


def reason(error: BaseException) -> str:
    """Return the first line of what a database or the system says, without its statement."""
    said = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return (str(said).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _sqlite(path: Path) -> sa.Engine:
    """Return an engine for a file that only its owner reads; a lost file is never made anew."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    uri = f"{path.absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes can fail no more."""
    reads = connection.get_execution_options().get("sqlite_read_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgres(url: sa.URL) -> sa.Engine:
    unsaid = {name: value for name, value in POSTGRES.items() if name not in url.query}
    return sa.create_engine(url, connect_args=unsaid, pool_pre_ping=True, hide_parameters=True)


def _unreachable(address: Address, error: Exception) -> StartError:
    return StartError(
        f"{address} cannot be opened: {reason(error)}.",
        "Check that it is there, that this user may write it and its folder, and that no other "
        "program holds it, or change store.url.",
    )
