"""The tables' history: alembic's scripts, run in this process when a store is opened."""

import threading
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

FOLDER: Final = Path(__file__).parent
VERSION_TABLE: Final = "serving_migrations"
# Any number that no other program on the same PostgreSQL takes.
ADVISORY_LOCK: Final = 0x7177656E33
# Alembic's scripts find their connection through a global of its module.
_one_at_a_time = threading.Lock()


def upgrade(engine: sa.Engine) -> None:
    """Run the scripts that a store has not seen yet, all in one transaction, one process a time.

    Raises SQLAlchemyError, and alembic's CommandError for a store that a newer version wrote.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _one_at_a_time, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
