"""The PostgreSQL that tests run on."""

import signal

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.postgres import PostgresServer


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_gets_an_empty_database_by_a_url(postgres_url: str, turn: int) -> None:
    """The address works as it is handed to the product, also where one before left a table."""
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        tables = connection.execute(
            text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        )
        assert tables.scalar_one() == 0
        connection.execute(text("CREATE TABLE here (id int)"))
    engine.dispose()


def test_a_forgotten_connection_holds_nobody_up(postgres: PostgresServer) -> None:
    """A test that broke off in a transaction does not stop the next one."""
    postgres.empty()
    with psycopg.connect(postgres.url) as forgotten:
        forgotten.execute("CREATE TABLE here (id int)")
        postgres.empty()
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")


def test_no_port_is_opened(postgres: PostgresServer) -> None:
    """Only who may enter the folder reaches the server."""
    with postgres.connect() as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGQUIT])
def test_the_server_keeps_its_data_over_a_stop(
    postgres: PostgresServer, sign: signal.Signals
) -> None:
    """Experiments with a database that goes away find it again as it was."""
    postgres.empty()
    with postgres.connect() as connection:
        connection.execute("CREATE TABLE here AS SELECT 7 AS id")
    postgres.stop(sign)
    with pytest.raises(psycopg.OperationalError):
        postgres.connect()
    postgres.start()
    with postgres.connect() as connection:
        assert connection.execute("SELECT id FROM here").fetchone() == (7,)
