"""Keys that change while the gateway runs: in the file, in SQLite and in PostgreSQL."""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.gateway import key_source
from serving.gateway.key import digest
from serving.gateway.key_terms import KeyTerms
from serving.options import StoreSettings
from serving.store import database
from serving.store.address import Address, default_path
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore
from tests.fake_engine import FakeEngine, answer_events, held
from tests.postgres import PostgresServer
from tests.serving.gateway.conftest import CHAT

Start = Callable[..., Any]
PROMISED_SECONDS = 10
CANARY = "canary-of-a-failure"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gateways look often: tests wait for what they find."""
    monkeypatch.setattr(key_source, "REREAD_SECONDS", 0.1)


@pytest.fixture(name="store", params=["default", "sqlite", "postgresql"])
def _store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[KeyStore, str | None]]:
    """Return a store of each kind as a command opens it, and its address in the settings."""
    url = {"default": None, "sqlite": f"sqlite:///{tmp_path}/serving.db"}.get(request.param, "")
    if url == "":
        url = request.getfixturevalue("postgres_url")
    engine = open_store(Address.of(StoreSettings(url=url)))
    yield KeyStore(engine), url
    engine.dispose()


def status(gateway: Any, text: str | None) -> int:
    """Return what a request with this key is answered with."""
    headers = {} if text is None else {"authorization": f"Bearer {text}"}
    return gateway.request("GET", "/v1/models", headers=headers).status


@contextmanager
def locked() -> Iterator[None]:
    """Keep the default store from everybody, also from those who read."""
    other = sqlite3.connect(default_path(), isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.close()


def write(path: Path, **texts: str) -> None:
    """Write a file of keys, each by its name."""
    entries = [
        f"- {{name: {name}, digest: 'sha256:{digest(text.encode()).hex()}'}}"
        for name, text in texts.items()
    ]
    path.write_text("\n".join(["keys:", *entries, ""]) if entries else "keys: []")


def test_two_looks_fit_into_what_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is seen by the look after it, at the latest; the look itself may take as long."""
    monkeypatch.undo()
    assert 2 * key_source.REREAD_SECONDS <= PROMISED_SECONDS


def test_a_store_is_followed(store: Any, start_gateway: Start, wait_for: Any) -> None:
    """Creating, rotating and revoking hold in a running gateway without a restart."""
    keys, url = store
    first = keys.create(KeyTerms(name="first"))
    gateway = start_gateway(store_url=url)
    assert (status(gateway, first.text), status(gateway, None)) == (200, 401)
    second = keys.create(KeyTerms(name="second"))
    wait_for(lambda: status(gateway, second.text) == 200)
    rotated = keys.rotate("second", 3600)
    wait_for(lambda: status(gateway, rotated.text) == 200)
    assert status(gateway, second.text) == 200
    again = keys.rotate("second", 0)
    wait_for(lambda: status(gateway, again.text) == 200)
    assert status(gateway, second.text) == status(gateway, rotated.text) == 401
    keys.revoke("second")
    wait_for(lambda: status(gateway, again.text) == 401)
    assert status(gateway, first.text) == 200
    keys.revoke("first")
    wait_for(lambda: status(gateway, first.text) == 401)
    assert status(gateway, None) == 401


def test_the_first_key_closes_an_open_server(start_gateway: Start, wait_for: Any) -> None:
    """A laptop's gateway finds the store that is made beside it; the API document tells of it."""
    gateway = start_gateway()
    assert status(gateway, None) == 200
    assert not default_path().exists()
    assert {} in gateway.request("GET", "/openapi.json").json["security"]
    engine = open_store(Address.of(StoreSettings()))
    issued = KeyStore(engine).create(KeyTerms(name="alice"))
    wait_for(lambda: status(gateway, None) == 401)
    assert status(gateway, issued.text) == 200
    assert {} not in gateway.request("GET", "/openapi.json").json["security"]
    default_path().unlink()
    wait_for(lambda: gateway.metric('gateway_key_source_stale{source="store"}') == 1)
    assert (status(gateway, issued.text), status(gateway, None)) == (200, 401)
    engine.dispose()


def test_a_file_is_followed(start_gateway: Start, wait_for: Any, tmp_path: Path) -> None:
    """Edits hold, and taking all entries out opens no door."""
    path = tmp_path / "keys.yaml"
    write(path, one="text-1", two="text-2")
    gateway = start_gateway(keys_file=path)
    assert [status(gateway, text) for text in ("text-1", "text-2", None)] == [200, 200, 401]
    write(path, two="text-2", three="text-3")
    wait_for(lambda: status(gateway, "text-3") == 200)
    assert [status(gateway, text) for text in ("text-1", "text-2")] == [401, 200]
    write(path)
    wait_for(lambda: status(gateway, "text-3") == 401)
    assert status(gateway, None) == 401


@pytest.mark.parametrize("content", ["keys: [", "keys:\n- {name: one, canary: 1}\n", None])
def test_a_broken_file_keeps_the_last_good_keys(
    start_gateway: Start, wait_for: Any, tmp_path: Path, caplog: Any, content: str | None
) -> None:
    """A metric says so, the log does once, and the repaired file counts at once."""
    path = tmp_path / "keys.yaml"
    write(path, one="text-1")
    caplog.set_level(logging.INFO, "serving.gateway.key_source")
    gateway = start_gateway(keys_file=path)
    stale = 'gateway_key_source_stale{source="file"}'
    assert f"\n{stale} 0.0\n" in gateway.admin("/metrics").body.decode()
    path.unlink() if content is None else path.write_text(content)
    wait_for(lambda: gateway.metric(stale) == 1)
    looks = counted_looks(gateway, wait_for)
    assert looks >= 3
    assert (status(gateway, "text-1"), status(gateway, None)) == (200, 401)
    assert gateway.metric('gateway_key_source_stale{source="store"}') == 0
    write(path, two="text-2")
    wait_for(lambda: gateway.metric(stale) == 0)
    assert (status(gateway, "text-1"), status(gateway, "text-2")) == (401, 200)
    said = [r.getMessage() for r in caplog.records if r.name == "serving.gateway.key_source"]
    # On a busy machine the store may be slow, and be said to be.
    said = [line for line in said if "keys' store" not in line]
    assert len(said) == 2
    assert "keys.yaml" in said[0]
    assert "last good keys" in said[0]
    assert "again" in said[1]
    assert "canary" not in "".join(said)


def test_a_key_that_ends_lets_its_running_answer_finish(
    start_gateway: Start, wait_for: Any, engine: FakeEngine, tmp_path: Path
) -> None:
    """It was let in: what is revoked is the right to ask again."""
    path = tmp_path / "keys.yaml"
    write(path, one="text-1")
    gateway = start_gateway(keys_file=path)
    gateway.wait_ready()
    events, go = answer_events(), threading.Event()
    engine.play(held(events[:2], go, events[2:]))
    connection = gateway.connect()
    body = json.dumps({**CHAT, "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": "Bearer text-1"})
    answer = connection.getresponse()
    write(path)
    wait_for(lambda: status(gateway, "text-1") == 401)
    go.set()
    assert (answer.status, answer.read().endswith(b"data: [DONE]\n\n")) == (200, True)
    connection.close()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, ImportError, RecursionError])
def test_whatever_fails_in_a_source_the_gateway_goes_on(
    start_gateway: Start, wait_for: Any, tmp_path: Path, caplog: Any, error: type[Exception]
) -> None:
    """As where no thread can be started, or no file opened: the last good keys hold."""
    path = tmp_path / "keys.yaml"
    write(path, one="text-1")
    gateway = start_gateway(keys_file=path)
    [followed, *_] = gateway.app._keys._followed
    read = followed.source.read

    def fail() -> Any:
        raise error(CANARY)

    followed.source.read = fail
    stale = 'gateway_key_source_stale{source="file"}'
    wait_for(lambda: gateway.metric(stale) == 1)
    assert (status(gateway, "text-1"), status(gateway, None)) == (200, 401)
    followed.source.read = read
    wait_for(lambda: gateway.metric(stale) == 0)
    records = [r for r in caplog.records if r.name == "serving.gateway.key_source"]
    [said] = [r.getMessage() for r in records if r.levelno == logging.WARNING]
    assert error.__name__ in said
    assert CANARY not in said


def counted_looks(gateway: Any, wait_for: Any) -> int:
    """Wait until the sources were looked at a few times more, and return how often."""
    [followed, *_] = gateway.app._keys._followed
    looks: list[int] = []
    read = followed.source.read

    def count() -> Any:
        looks.append(1)
        return read()

    followed.source.read = count
    wait_for(lambda: len(looks) >= 3)
    followed.source.read = read
    return len(looks)


def test_a_locked_store_holds_up_nobody(start_gateway: Start, wait_for: Any) -> None:
    """While another program keeps the file to itself, requests are answered as before."""
    engine = open_store(Address.of(StoreSettings()))
    issued: Issued = KeyStore(engine).create(KeyTerms(name="alice"))
    engine.dispose()
    gateway = start_gateway()
    stale = 'gateway_key_source_stale{source="store"}'
    with locked():
        wait_for(lambda: gateway.metric(stale) == 1)
        assert (status(gateway, issued.text), status(gateway, None)) == (200, 401)
    wait_for(lambda: gateway.metric(stale) == 0)


def test_a_gateway_starts_while_another_program_writes(start_gateway: Start) -> None:
    """Keys are read beside whoever writes to the file, and hold from the first request on."""
    engine = open_store(Address.of(StoreSettings()))
    issued: Issued = KeyStore(engine).create(KeyTerms(name="alice"))
    with engine.begin():
        gateway = start_gateway()
        assert (status(gateway, issued.text), status(gateway, None)) == (200, 401)
    engine.dispose()


def test_a_lost_database_server_keeps_the_last_good_keys(
    postgres: PostgresServer, postgres_url: str, start_gateway: Start, wait_for: Any
) -> None:
    """Keys work while PostgreSQL is away, and are followed again when it is back."""
    address = Address.of(StoreSettings(url=postgres_url))
    engine = open_store(address)
    issued = KeyStore(engine).create(KeyTerms(name="alice"))
    engine.dispose()
    gateway = start_gateway(store_url=postgres_url)
    stale = 'gateway_key_source_stale{source="store"}'
    postgres.stop()
    try:
        wait_for(lambda: gateway.metric(stale) == 1)
        assert (status(gateway, issued.text), status(gateway, None)) == (200, 401)
    finally:
        postgres.start()
    wait_for(lambda: gateway.metric(stale) == 0)
    engine = open_store(address)
    KeyStore(engine).revoke("alice")
    engine.dispose()
    wait_for(lambda: status(gateway, issued.text) == 401)


def test_a_gateway_ends_while_its_store_is_silent(
    start_gateway: Start, wait_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that takes minutes is not waited for."""
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 600)
    engine = open_store(Address.of(StoreSettings()))
    KeyStore(engine).create(KeyTerms(name="alice"))
    engine.dispose()
    gateway = start_gateway()
    with locked():
        wait_for(lambda: gateway.metric('gateway_key_source_stale{source="store"}') == 1)
        gateway.end()
