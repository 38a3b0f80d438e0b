"""Who is let in, and the addresses that need keys."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.failure import StartError
from serving.gateway import keys
from serving.gateway.errors import Unauthorized
from serving.gateway.key import ANYBODY, Key, digest
from serving.gateway.key_terms import KeyTerms
from serving.gateway.keys import KeyRing, is_loopback, load_keys
from serving.options import GatewaySettings, Settings, StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore

SECRET = "sk-qwen-canary"  # noqa: S105 — the point


def settings(store_url: str | None = None, **options: Any) -> Settings:
    """Return settings with options of the gateway."""
    return Settings(gateway=GatewaySettings(**options), store=StoreSettings(url=store_url))


def bearer(text: str) -> dict[bytes, bytes]:
    """Return the header that offers a key."""
    return {b"authorization": b"Bearer " + text.encode()}


def ring_of(now: float, **terms: Any) -> KeyRing:
    """Return a ring with one key of these terms, at a time of its own."""
    key = Key(id="one", name="one", digest=digest(SECRET.encode()), **terms)
    return KeyRing((key,), (), lambda: now)


def stored(change: Callable[[KeyStore], Any], url: str | None = None) -> Any:
    """Change the store as a command would."""
    engine = open_store(Address.of(StoreSettings(url=url)))
    try:
        return change(KeyStore(engine))
    finally:
        engine.dispose()


def test_keys_come_from_settings_file_and_store(tmp_path: Path) -> None:
    """Each source opens the door to its keys, under their names and with their limits."""
    path = tmp_path / "keys.yaml"
    entry = f"- {{name: filed, digest: 'sha256:{digest(b'of-the-file').hex()}', max_concurrent: 3}}"
    path.write_text(f"keys:\n{entry}\n")
    issued: Issued = stored(lambda store: store.create(KeyTerms(name="alice", admin=True)))
    ring = load_keys(settings(api_keys=("first", "second"), keys_file=path))
    assert ring.find(bearer("first")).name == "key-1"
    assert ring.find(bearer("second")).name == "key-2"
    assert ring.find(bearer("of-the-file")).max_concurrent == 3
    assert ring.find(bearer(issued.text)) == issued.key
    assert issued.key.admin
    assert not ring.find(bearer("first")).admin
    assert len({key.id for key in ring.everything}) == ring.count_live() == 4


def test_no_keys_on_loopback_lets_everybody_in() -> None:
    """A laptop needs no key, and looking for keys makes no store."""
    ring = load_keys(settings())
    assert ring.find({}) is ANYBODY
    assert ring.find(bearer("whatever")) is ANYBODY
    assert not Address.of(StoreSettings()).exists


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        pytest.param({}, False, id="none"),
        pytest.param({"authorization": "Bearer key-1"}, True, id="bearer"),
        pytest.param({"authorization": "bearer  key-2 "}, True, id="lower case, blanks"),
        pytest.param({"x-api-key": "key-1"}, True, id="Anthropic's header"),
        pytest.param({"x-api-key": " key-2 "}, True, id="Anthropic's header, blanks"),
        pytest.param({"x-api-key": "other"}, False, id="Anthropic's header, wrong"),
        pytest.param({"x-api-key": ""}, False, id="Anthropic's header, empty"),
        pytest.param({"authorization": "Bearer key"}, False, id="a part of a key"),
        pytest.param({"authorization": "Bearer"}, False, id="no key"),
        pytest.param({"authorization": "Bearer "}, False, id="empty key"),
        pytest.param({"authorization": "key-1"}, False, id="no scheme"),
        pytest.param({"authorization": "Basic key-1"}, False, id="other scheme"),
        pytest.param({"authorization": "Basic x", "x-api-key": "key-1"}, True, id="both headers"),
        pytest.param({"authorization": "Bearer no", "x-api-key": "key-1"}, False, id="bearer wins"),
    ],
)
def test_a_key_is_taken_from_either_header(headers: dict[str, str], let_in: bool) -> None:
    """A bearer's, or Anthropic's; a refusal says how to send one, and repeats none."""
    ring = load_keys(settings(api_keys=("key-1", "key-2")))
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    if let_in:
        assert ring.find(raw).name in {"key-1", "key-2"}
        return
    with pytest.raises(Unauthorized) as caught:
        ring.find(raw)
    assert "key" in caught.value.message
    assert not any(value and value in caught.value.message for value in ("key-1", "other"))


@pytest.mark.parametrize(
    ("now", "terms", "said"),
    [
        pytest.param(99.9, {"expires_at": 100.0}, None, id="before its end"),
        pytest.param(100.0, {"expires_at": 100.0}, "is expired", id="at its end"),
        pytest.param(1.0, {"revoked_at": 2.0}, "is revoked", id="revoked"),
        pytest.param(200.0, {"revoked_at": 2.0, "expires_at": 3.0}, "is revoked", id="both"),
    ],
)
def test_a_key_that_ended_says_so(now: float, terms: Any, said: str | None) -> None:
    """Its holder reads why, without the key; to everybody else it is as unknown as any other."""
    ring = ring_of(now, **terms)
    if said is None:
        assert ring.find(bearer(SECRET)).name == "one"
        return
    with pytest.raises(Unauthorized, match=said) as caught:
        ring.find(bearer(SECRET))
    assert "canary" not in caught.value.message
    with pytest.raises(Unauthorized, match="Incorrect"):
        ring.find(bearer("other"))


@pytest.mark.parametrize(
    ("now", "expires_at", "works"),
    [
        pytest.param(49.0, None, True, id="within the grace"),
        pytest.param(50.0, None, False, id="at its end"),
        pytest.param(29.0, 30.0, True, id="the key ends sooner, not yet"),
        pytest.param(30.0, 30.0, False, id="the key has ended"),
    ],
)
def test_a_rotated_text_works_until_its_grace_ends(
    now: float, expires_at: float | None, works: bool
) -> None:
    """It counts as the same key: its id is the same, and so are its limits."""
    ring = ring_of(
        now,
        previous_digest=digest(b"older"),
        previous_expires_at=50.0,
        max_concurrent=2,
        expires_at=expires_at,
    )
    if works:
        older, newer = ring.find(bearer("older")), ring.find(bearer(SECRET))
        assert (older.id, older.max_concurrent) == (newer.id, newer.max_concurrent)
        return
    with pytest.raises(Unauthorized, match="expired"):
        ring.find(bearer("older"))


def test_a_digest_with_the_same_beginning_is_another_key() -> None:
    """Only the whole digest opens."""
    offered = digest(SECRET.encode())
    near = Key(id="near", name="near", digest=offered[: keys.FILED_BYTES] + bytes(24))
    with pytest.raises(Unauthorized, match="Incorrect"):
        KeyRing((near,), ()).find(bearer(SECRET))
    assert KeyRing((replace(near, digest=offered),), ()).find(bearer(SECRET)).id == "near"


def test_every_key_is_compared_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known, unknown or ended: one comparison in constant time of all 32 bytes."""
    seen: list[tuple[int, int]] = []
    compare = keys.hmac.compare_digest

    def record(one: bytes, other: bytes) -> bool:
        seen.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(keys.hmac, "compare_digest", record)
    ring = ring_of(5.0, expires_at=10.0)
    ring.find(bearer(SECRET))
    for text in ("unknown", "sk-qwen-canar", ""):
        with pytest.raises(Unauthorized):
            ring.find(bearer(text))
    assert seen == [(32, 32)] * 3


def test_of_one_text_the_stores_word_counts(tmp_path: Path) -> None:
    """What the store has revoked, no copy in a file or the settings lets in."""
    issued: Issued = stored(lambda store: store.create(KeyTerms(name="alice")))
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys: [{{name: copy, digest: 'sha256:{issued.key.digest.hex()}'}}]")
    ring = settings(api_keys=(issued.text,), keys_file=path)
    assert load_keys(ring).find(bearer(issued.text)).name == "alice"
    stored(lambda store: store.revoke("alice"))
    with pytest.raises(Unauthorized, match="revoked"):
        load_keys(ring).find(bearer(issued.text))


def test_revoking_the_last_key_opens_no_door() -> None:
    """A store that ever held a key closes the door, also in the next process."""
    stored(lambda store: store.create(KeyTerms(name="alice")))
    stored(lambda store: store.revoke("alice"))
    ring = load_keys(settings(host="0.0.0.0"))  # noqa: S104 — a source is there
    assert ring.count_live() == 0
    with pytest.raises(Unauthorized):
        ring.find({})


def test_an_empty_store_of_its_own_needs_no_key_and_a_named_one_does(tmp_path: Path) -> None:
    """store.url says that keys are wanted; a file that happens to be there does not."""
    stored(lambda store: None)
    assert not load_keys(settings()).needed
    ring = load_keys(settings(f"sqlite:///{tmp_path}/named.db", host="0.0.0.0"))  # noqa: S104
    with pytest.raises(Unauthorized):
        ring.find({})
    ring.close()


def test_an_empty_file_of_keys_lets_nobody_in(tmp_path: Path) -> None:
    """The last entry may be taken out: the door stays closed."""
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []")
    with pytest.raises(Unauthorized):
        load_keys(settings(keys_file=path)).find({})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])  # noqa: S104  # refused
def test_an_open_address_without_keys_does_not_start(host: str) -> None:
    """The reason names the address and what to set."""
    with pytest.raises(StartError, match="no API key") as caught:
        load_keys(settings(host=host))
    for way in ("serving keys create", "gateway.keys_file", "gateway.api_keys"):
        assert way in caught.value.next_step
    load_keys(settings(host=host, api_keys=("k",)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_recognised(host: str) -> None:
    """Names and numbers."""
    assert is_loopback(host)


def test_an_empty_key_does_not_start() -> None:
    """An empty string must not open the door to `Bearer `."""
    with pytest.raises(StartError, match="empty key"):
        load_keys(settings(api_keys=("",)))


def test_a_store_that_cannot_be_reached_does_not_start() -> None:
    """The address is named, its password is not."""
    with pytest.raises(StartError, match=r"store\.url") as caught:
        load_keys(settings("postgresql://u:hunter2@127.0.0.1:1/db"))
    assert "hunter2" not in str(caught.value)
