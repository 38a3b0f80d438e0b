"""Opens the store, SQLite or PostgreSQL, with its tables at this version's state."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from serving.failure import StartError
from serving.options import StoreSettings

PATIENCE_SECONDS: Final = 5
# What a URL does not say itself.
POSTGRES: Final[dict[str, Any]] = {
    "application_name": "qwen3-vl-serving",
    "connect_timeout": PATIENCE_SECONDS,
    "tcp_user_timeout": 1000 * PATIENCE_SECONDS,
    # A pooler in between keeps no prepared statements.
    "prepare_threshold": None,
}


def default_path() -> Path:
    """Return where the store is when no URL names one: this user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state"
    return Path(state) / "qwen3-vl-serving" / "serving.db"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user without a name
        return Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is; `path` is None on PostgreSQL."""

    url: sa.URL
    path: Path | None
    is_default: bool

    @classmethod
    def of(cls, store: StoreSettings) -> Self:
        """Read store.url; raises StartError for one that cannot be served."""
        if store.url is None:
            path = default_path()
            return cls(sa.URL.create("sqlite", database=str(path)), path, is_default=True)
        try:
            url = sa.make_url(store.url.get_secret_value())
        except (ArgumentError, ValueError):
            raise _refusal("store.url cannot be read as an address.") from None
        if url.drivername == "sqlite" and url.database not in {None, "", ":memory:"}:
            return cls(url, Path(str(url.database)).absolute(), is_default=False)
        if url.drivername in {"postgresql", "postgresql+psycopg"} and url.database:
            return cls(url.set(drivername="postgresql+psycopg"), None, is_default=False)
        raise _refusal(f"store.url {masked(url)} names no store that can be used.")

    def __str__(self) -> str:
        """Return the address without what may be secret."""
        return str(self.path) if self.is_default else f"store.url {masked(self.url)}"

    @property
    def exists(self) -> bool:
        """Tell whether there is something to open; a database server is taken at its word."""
        try:
            return self.path is None or self.path.exists()
        except PermissionError:  # in another user's home, which is nothing of ours
            return False


def masked(url: sa.URL) -> str:
    """Write an address without its password, and without options, which may hold another one."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def open_store(address: Address) -> sa.Engine:
    """Connect, create what is missing, and bring the tables to this version's state.

    Every transaction of the returned engine is serialized with other writers on SQLite. Raises
    StartError naming the address, its password masked.
    """
    from alembic.util import CommandError  # noqa: PLC0415 - a start without a store is quicker

    from serving.store.migrations import upgrade  # noqa: PLC0415

    try:
        if address.is_default and address.path is not None:
            address.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = _postgres(address.url) if address.path is None else _sqlite(address.path)
    except OSError as error:
        raise _unreachable(address, error) from None
    try:
        upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise _unreachable(address, error) from None
    except CommandError:
        engine.dispose()
        raise StartError(
            f"{address} was written by a newer version.", "Update this one, or use another store."
        ) from None
    return engine


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
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgres(url: sa.URL) -> sa.Engine:
    unsaid = {name: value for name, value in POSTGRES.items() if name not in url.query}
    return sa.create_engine(url, connect_args=unsaid, pool_pre_ping=True, hide_parameters=True)


def _unreachable(address: Address, error: Exception) -> StartError:
    return StartError(
        f"{address} cannot be opened: {reason(error)}.",
        "Check that it is there and that this user may write it, or change store.url.",
    )


def _refusal(what: str) -> StartError:
    return StartError(
        what, "Give sqlite:///FILE (four slashes before a full path) or postgresql://HOST/NAME."
    )
