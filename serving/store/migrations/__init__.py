"""The tables' history: alembic's scripts, run in this process when a store is opened."""

import threading
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from serving.store.database import read_only

FOLDER: Final = Path(__file__).parent
VERSION_TABLE: Final = "serving_migrations"
# Any number that no other program on the same PostgreSQL takes.
ADVISORY_LOCK: Final = 0x7177656E33
# Alembic's scripts find their connection through a global of its module.
_one_at_a_time = threading.Lock()


class NewerStoreError(Exception):
    """A newer version has written this store."""


def upgrade(engine: sa.Engine) -> None:
    """Run the scripts that a store has not seen yet, all in one transaction, one process a time.

    A store that has seen all is only read, without alembic: a start is quicker, and waits for no
    writer. Raises SQLAlchemyError and NewerStoreError.
    """
    if _is_current(engine):
        return
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _one_at_a_time, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise NewerStoreError from None


def _is_current(engine: sa.Engine) -> bool:
    """Tell whether the newest script, by its file's name, was the last that the store has seen."""
    newest = max(script.stem for script in FOLDER.glob("versions/*.py"))
    versions = sa.table(VERSION_TABLE, sa.column("version_num"))
    with read_only(engine).connect() as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return False
        return connection.execute(sa.select(versions)).scalars().all() == [newest]
