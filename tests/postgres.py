"""A real PostgreSQL for tests: in a temporary folder, reached over a Unix socket only.

`postgres` is the server, one a test process, started by the first test that asks for it;
`postgres_url` is its database, empty for every test. Debian's binaries, found by `pg_config`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

WAIT_SECONDS = 60.0
DATABASE = "postgres"  # the one that every server has
# Nothing here outlives its test, so nothing is worth waiting for the disk.
OPTIONS = (
    "-c", "listen_addresses=",
    "-c", "fsync=off",
    "-c", "full_page_writes=off",
    "-c", "shared_buffers=16MB",
    "-c", "max_connections=50",
)  # fmt: skip


class PostgresServer:
    """A server with its data; may be stopped and started again."""

    def __init__(self, bindir: Path) -> None:
        self._bindir = bindir
        self._user = _unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._data = self.folder / "data"
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        create = ("--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "--pgdata", str(self._data), *create).check_returncode()

    @property
    def pid(self) -> int:
        """Return the running server's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Return the database's address as `store.url` takes it."""
        return f"postgresql://test@/{DATABASE}?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = (self._bindir / "postgres", "-D", self._data, "-k", self.folder, *OPTIONS)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, **self._identity()
            )
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            with suppress(psycopg.OperationalError):
                self.connect().close()
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < give_up, "PostgreSQL does not answer"
            time.sleep(0.02)

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """End the server and every connection; SIGQUIT: as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def remove(self) -> None:
        """End the server and delete all it kept."""
        try:
            self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder)

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection in which each statement is a transaction."""
        return psycopg.connect(host=str(self.folder), user="test", dbname=DATABASE, autocommit=True)

    def empty(self) -> None:
        """End all connections to the tests' database and delete all that is in it.

        A new database each time would cost files and seconds on a busy disk.
        """
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            (self._bindir / program, *arguments),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=False,
            **self._identity(),
        )

    def _identity(self) -> dict[str, Any]:
        """Return what makes a child another user's; PostgreSQL refuses to run as root."""
        if self._user is None:
            return {}
        group = pwd.getpwnam(self._user).pw_gid
        return {"user": self._user, "group": group, "extra_groups": []}


def _unprivileged_user() -> str | None:
    """Return whom a server of root's runs as, and None where this user can run it."""
    if os.getuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in users)


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest where there are several."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: [int(part) for part in folder.parent.name.split(".")],
        reverse=True,
    )
    if config := shutil.which("pg_config"):
        answer = subprocess.run((config, "--bindir"), capture_output=True, text=True, check=True)
        folders.insert(0, Path(answer.stdout.strip()))
    if postgres := shutil.which("postgres"):
        folders.append(Path(postgres).resolve().parent)
    # pg_config comes with the client library, too, and then names a folder without a server.
    return next((f for f in folders if (f / "postgres").exists() and (f / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return the running server; a test that stops it starts it again."""
    bindir = find_binaries()
    if bindir is None:
        pytest.skip("PostgreSQL is not installed; enable: make ci-deps")
    server = PostgresServer(bindir)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """Return the address of an empty database."""
    postgres.empty()
    return postgres.url
