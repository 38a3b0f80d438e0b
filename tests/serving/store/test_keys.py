"""Keys in the store, on SQLite and on PostgreSQL."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from serving.failure import NotDone
from serving.gateway.key import Priority, digest
from serving.gateway.key_terms import KeyTerms
from serving.gateway.period import Period
from serving.store.keys import KeyStore, api_keys


class Clock:
    """A clock that is set by hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="store")
def _store(engine: sa.Engine, clock: Clock) -> KeyStore:
    return KeyStore(engine, clock)


def test_reading_waits_for_no_writer(store: KeyStore, engine: sa.Engine) -> None:
    """Keys are read, and a gateway starts, while another one enters usage or makes a key."""
    key = store.create(KeyTerms(name="alice")).key
    with engine.begin() as writer:
        writer.execute(sa.update(api_keys).values(owner="bob"))
        assert store.list() == (store.find("alice"),) == (key,)


def test_a_key_comes_back_as_it_was_made(store: KeyStore, clock: Clock) -> None:
    """Every term is kept, at the largest value it takes."""
    terms = KeyTerms(
        name="alice",
        owner="alice@example.org",
        models=("a", "b/c"),
        requests_per_minute=10**9,
        tokens_per_minute=10**12,
        max_concurrent=10**6,
        budget_usd=10**9,
        budget_period="monthly",
        expires_at="2099-01-31T12:00:00Z",
        priority="low",
        admin=True,
    )
    issued = store.create(terms)
    assert issued.key == store.find("alice") == store.find(issued.key.id)
    assert store.list() == (issued.key,)
    assert {name: getattr(issued.key, name) for name in dict(terms)} == dict(terms)
    assert issued.key.priority is Priority.LOW
    assert store.find("alice").budget_period is Period.MONTHLY
    assert issued.key.created_at == clock.now
    assert issued.key.digest == digest(issued.text.encode())


def test_a_text_holds_256_random_bits(store: KeyStore) -> None:
    """It is the prefix and 43 characters that a URL may hold, and no two are alike."""
    texts = {store.create(KeyTerms(name=f"key{number}")).text for number in range(20)}
    assert len(texts) == 20
    assert all(re.fullmatch(r"sk-qwen-[A-Za-z0-9_-]{43}", text) for text in texts)


def test_no_row_holds_a_text(store: KeyStore, engine: sa.Engine) -> None:
    """What is kept of a key, before and after a rotation, is its digest."""
    texts = [store.create(KeyTerms(name="alice")).text, store.rotate("alice", 60).text]
    with engine.connect() as connection:
        rows = repr([tuple(row) for row in connection.execute(sa.select(api_keys))])
    assert "alice" in rows
    assert not any(text.removeprefix("sk-qwen-") in rows for text in texts)


def test_a_name_is_there_once_while_it_works(store: KeyStore, clock: Clock) -> None:
    """Revoking or the end frees it."""
    store.create(KeyTerms(name="alice", expires_at="2099-01-31"))
    with pytest.raises(NotDone, match="alice is there already"):
        store.create(KeyTerms(name="alice"))
    store.revoke("alice")
    first = store.create(KeyTerms(name="alice", expires_at="2099-01-31")).key
    assert first.expires_at is not None
    clock.now = first.expires_at - 1
    with pytest.raises(NotDone):
        store.create(KeyTerms(name="alice"))
    clock.now = first.expires_at
    last = store.create(KeyTerms(name="alice")).key
    assert store.find("alice") == last
    assert [key.state(clock.now) for key in store.list()] == ["revoked", "revoked", "live"]


def test_of_many_who_want_a_name_one_gets_it(store: KeyStore) -> None:
    """Two commands at the same time cannot both win."""
    start = threading.Barrier(6)

    def attempt(_number: int) -> bool:
        start.wait()
        try:
            store.create(KeyTerms(name="alice"))
        except NotDone:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


def test_a_key_that_would_have_expired_is_not_made(store: KeyStore, clock: Clock) -> None:
    """An end in the past is a mistake."""
    terms = KeyTerms(name="alice", expires_at="1970-01-11")
    assert terms.expires_at is not None
    clock.now = terms.expires_at
    with pytest.raises(NotDone, match="would have expired"):
        store.create(terms)
    clock.now -= 1
    store.create(terms)


def test_a_revoked_key_stays_revoked(store: KeyStore, clock: Clock) -> None:
    """It keeps its time, cannot be rotated and cannot be revoked again."""
    key = store.create(KeyTerms(name="alice")).key
    clock.now += 5
    assert store.revoke("alice").revoked_at == clock.now
    clock.now += 5
    for change in (lambda: store.revoke(key.id), lambda: store.rotate(key.id, 60)):
        with pytest.raises(NotDone, match="is revoked"):
            change()
    assert store.find("alice").revoked_at == clock.now - 5


def test_a_name_means_the_key_that_works(store: KeyStore, clock: Clock) -> None:
    """Also where a clock was set back in between: what is revoked then is not left working."""
    store.create(KeyTerms(name="alice"))
    store.revoke("alice")
    clock.now -= 3600
    working = store.create(KeyTerms(name="alice")).key
    assert store.find("alice") == working
    assert store.revoke("alice").id == working.id


def test_a_text_is_told_although_the_store_goes_away(engine: sa.Engine, clock: Clock) -> None:
    """What is written is not read again: a text that was lost could not be told once more."""
    store = KeyStore(engine, clock)
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    store.create(KeyTerms(name="alice"))
    assert not asked[-1].startswith("SELECT")
    rotated = store.rotate("alice", 60)
    assert not asked[-1].startswith("SELECT")
    assert store.find("alice") == rotated.key


def test_a_rotation_changes_the_text_alone(store: KeyStore, clock: Clock) -> None:
    """Id, name and limits stay, and the old digest is kept until the grace ends."""
    old = store.create(KeyTerms(name="alice", requests_per_minute=5))
    new = store.rotate("alice", 3600)
    assert new.text != old.text
    assert new.key.digest == digest(new.text.encode())
    assert new.key.previous_digest == old.key.digest
    assert new.key.previous_expires_at == clock.now + 3600
    assert (new.key.id, new.key.requests_per_minute) == (old.key.id, 5)
    newest = store.rotate(old.key.id, 0).key
    assert (newest.previous_digest, newest.previous_expires_at) == (None, None)


def test_what_somebody_else_has_changed_is_not_changed(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two rotations at the same time one prints a text, and that text works."""
    found = store.create(KeyTerms(name="alice")).key
    winner = store.rotate("alice", 0).key
    with monkeypatch.context() as patch:
        patch.setattr(store, "find", lambda _name: found)
        with pytest.raises(NotDone, match="changed by another"):
            store.rotate("alice", 0)
    assert store.find("alice") == winner


def test_an_expired_key_is_not_rotated(store: KeyStore, clock: Clock) -> None:
    """A new text would not work either."""
    key = store.create(KeyTerms(name="alice", expires_at="2099-01-31")).key
    assert key.expires_at is not None
    clock.now = key.expires_at
    with pytest.raises(NotDone, match="has expired"):
        store.rotate("alice", 60)


def test_what_is_not_there_is_not_found_and_not_repeated(store: KeyStore) -> None:
    """A name is named; what looks like a key is not."""
    with pytest.raises(NotDone, match="bob"):
        store.find("bob")
    with pytest.raises(NotDone) as caught:
        store.find("sk-qwen-canary")
    assert "canary" not in str(caught.value)
