"""Alembic's entry: the scripts run on the connection, and in the transaction, they are given."""

from alembic import context

from serving.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
