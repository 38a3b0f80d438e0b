"""The file of keys: what an entry may say, on both sides of each limit, and how faults are told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.failure import StartError
from serving.gateway import key_file
from serving.gateway.key import Key, Priority, digest
from serving.gateway.key_file import KeyFile, entry, parse
from serving.gateway.key_terms import KeyTerms
from serving.gateway.period import Period

DIGEST = f"sha256:{digest(b'text').hex()}"


def parsed(text: str) -> tuple[Key, ...]:
    """Return the keys of a file with this text."""
    return parse(text.encode(), "FILE")


def one(**fields: Any) -> Key:
    """Return the key of a file with one entry."""
    entry = {"name": "alice", "digest": DIGEST, **fields}
    [key] = parsed(yaml.safe_dump({"keys": [entry]}, sort_keys=False))
    return key


def test_an_entry_says_all_that_a_key_may_do() -> None:
    """Every field arrives; the id is made of the name, so that limits hold through edits."""
    key = one(
        owner="team",
        models=["a", "b"],
        requests_per_minute=60,
        tokens_per_minute=1000,
        max_concurrent=4,
        budget_usd=20,
        budget_period="monthly",
        expires_at=datetime(2027, 1, 31, 12, tzinfo=UTC),
        priority="high",
        admin=True,
    )
    assert key == Key(
        id="file:alice",
        name="alice",
        digest=digest(b"text"),
        owner="team",
        models=("a", "b"),
        requests_per_minute=60,
        tokens_per_minute=1000,
        max_concurrent=4,
        budget_usd=20.0,
        budget_period=Period.MONTHLY,
        expires_at=datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp(),
        priority=Priority.HIGH,
        admin=True,
    )


def test_name_and_digest_are_enough() -> None:
    """What is not said is no limit."""
    key = one()
    limits = (key.requests_per_minute, key.tokens_per_minute, key.max_concurrent, key.expires_at)
    assert limits == (None,) * 4
    assert (key.budget_usd, key.budget_period) == (None, None)
    assert (key.models, key.priority, key.admin) == ((), Priority.NORMAL, False)


@pytest.mark.parametrize(
    ("field", "taken", "refused"),
    [
        pytest.param("name", "a", "", id="name, shortest"),
        pytest.param("name", "a" * 64, "a" * 65, id="name, longest"),
        pytest.param("name", "ci.night_ly@x+y-1", "ci nightly", id="name, characters"),
        pytest.param("name", "sk", "sk-alice", id="name like a key"),
        pytest.param("name", "key", "key_alice", id="name like an id"),
        pytest.param("name", "0", 0, id="name, a number"),
        pytest.param("digest", "sha256:" + "0" * 64, "sha256:" + "0" * 63, id="digest, short"),
        pytest.param("digest", "sha256:" + "f" * 64, "sha256:" + "F" * 64, id="digest, capitals"),
        pytest.param("digest", "sha256:" + "f" * 64, "f" * 64, id="digest, no algorithm"),
        pytest.param("owner", "a" * 256, "a" * 257, id="owner"),
        pytest.param("models", ["a"] * 64, ["a"] * 65, id="models, many"),
        pytest.param("models", ["a"], [""], id="models, an empty name"),
        pytest.param("models", ["a"], "a", id="models, no list"),
        pytest.param("requests_per_minute", 1, 0, id="requests, fewest"),
        pytest.param("requests_per_minute", 10**9, 10**9 + 1, id="requests, most"),
        pytest.param("requests_per_minute", 1, True, id="requests, a switch"),
        pytest.param("requests_per_minute", 60, 60.5, id="requests, a fraction"),
        pytest.param("requests_per_minute", 60, "60", id="requests, a text"),
        pytest.param("tokens_per_minute", 1, 0, id="tokens, fewest"),
        pytest.param("tokens_per_minute", 10**12, 10**12 + 1, id="tokens, most"),
        pytest.param("max_concurrent", 1, 0, id="concurrent, fewest"),
        pytest.param("max_concurrent", 10**6, 10**6 + 1, id="concurrent, most"),
        pytest.param("budget_usd", 0.01, 0.009, id="budget, least"),
        pytest.param("budget_usd", 10**9, 10**9 + 0.01, id="budget, most"),
        pytest.param("budget_usd", 1, True, id="budget, a switch"),
        pytest.param("budget_usd", 20.5, "20.5", id="budget, a text"),
        pytest.param("budget_usd", 1, float("nan"), id="budget, no number"),
        pytest.param("budget_period", None, "weekly", id="period without a budget"),
        pytest.param("expires_at", "9999-12-30", "9999-12-31", id="end, latest"),
        pytest.param(
            "expires_at", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", id="end, latest time"
        ),
        pytest.param(
            "expires_at", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", id="end, first time"
        ),
        pytest.param("expires_at", "2027-02-28", "2027-02-29", id="end, no day"),
        pytest.param("expires_at", "2027-01-31T23:59:59Z", "2027-01-31T24:59", id="end, no time"),
        pytest.param("expires_at", "2027-01-31", 1800000000, id="end, a number"),
        pytest.param("priority", "low", "lowest", id="priority"),
        pytest.param("admin", True, "yes", id="admin"),
    ],
)
def test_each_limit_of_a_field(field: str, taken: Any, refused: Any) -> None:
    """One side is taken, the other refused with line, field and meaning; no value is repeated."""
    one(**{field: taken})
    with pytest.raises(StartError, match=rf"^FILE, line \d+: {field} is refused: ") as caught:
        one(**{field: refused})
    assert "It means: " in caught.value.next_step
    if isinstance(refused, str) and len(refused) > 10:
        assert refused not in str(caught.value)


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly", None])
def test_the_periods_of_a_budget(period: str | None) -> None:
    """Three, or none: for ever."""
    assert one(budget_usd=1, budget_period=period).budget_period == period
    with pytest.raises(
        StartError, match=r"line \d: budget_period is refused: .*'monthly'"
    ) as caught:
        one(budget_usd=1, budget_period="yearly")
    assert "none: for ever" in caught.value.next_step


@pytest.mark.parametrize(
    ("said", "end"),
    [
        pytest.param("2027-01-31", "2027-02-01T00:00:00+00:00", id="a date counts to its end"),
        pytest.param("2027-01-31T18:00:00Z", "2027-01-31T18:00:00+00:00", id="a time"),
        pytest.param("2027-01-31 18:00:00", "2027-01-31T18:00:00+00:00", id="a time without zone"),
        pytest.param("2027-01-31T18:00:00+02:00", "2027-01-31T16:00:00+00:00", id="elsewhere"),
        pytest.param('"2027-01-31"', "2027-02-01T00:00:00+00:00", id="as text"),
    ],
)
def test_an_end_is_a_day_or_a_time(said: str, end: str) -> None:
    """However YAML reads it, days are those of UTC."""
    [key] = parsed(f"keys: [{{name: a, digest: '{DIGEST}', expires_at: {said}}}]")
    assert key.expires_at == datetime.fromisoformat(end).timestamp()


@pytest.mark.parametrize(
    ("text", "said", "step"),
    [
        pytest.param("", "does not hold `keys:` alone", "serving keys hash", id="empty"),
        pytest.param("- a", "does not hold `keys:` alone", "serving keys hash", id="a list"),
        pytest.param("keys: []\nmore: 1", "`keys:` alone", "serving keys hash", id="more"),
        pytest.param("users: []", "no list of keys", "serving keys hash", id="another title"),
        pytest.param("keys:\n", "no list of keys", "serving keys hash", id="no list"),
        pytest.param("keys:\n- canary", "line 2: this is no entry", "", id="a text as entry"),
        pytest.param("keys: [\n", "line 2, is not valid YAML", "Correct", id="no YAML"),
        pytest.param("!!binary keys: []", "no list of keys", "", id="a title of another type"),
        pytest.param("!!set {keys: []}", "`keys:` alone", "", id="a file of another type"),
        pytest.param("keys: !!omap [{a: b}]", "no list of keys", "", id="a list of another type"),
        pytest.param("keys:\n- !!set {name}", "line 2: this is no entry", "", id="another entry"),
        pytest.param("keys:\n- {[a]: b}", "line 2: no entry of", "", id="a list as field"),
        pytest.param("keys:\n- {~: b}", "line 2: no entry of", "", id="null as field"),
        pytest.param('keys:\n- {"<<": b}', "line 2: no entry of", "", id="a quoted merge"),
        pytest.param("keys: [{name: !!python/name:os.system ''}]", "not valid YAML", "", id="code"),
        pytest.param("keys:\n- name: a\n", "line 2: digest is refused", "sha256:", id="no digest"),
        pytest.param(
            f"keys:\n- name: a\n  digest: {DIGEST}\n  max_concurent: 4",
            "line 4: no entry of a key has this field",
            "Did you mean max_concurrent?",
            id="a misspelt field",
        ),
        pytest.param(
            f"keys:\n- name: a\n  digest: {DIGEST}\n  name: b",
            "line 2: a field is there twice",
            "Remove one",
            id="a field twice",
        ),
        pytest.param(
            f"keys:\n- {{name: a, digest: '{DIGEST}'}}\n- {{name: b, digest: '{DIGEST}'}}",
            "line 3: digest is the one of an entry above",
            "Remove one",
            id="a digest twice",
        ),
        pytest.param(
            f"keys:\n- {{name: a, digest: '{DIGEST}'}}\n- {{name: a, digest: 'sha256:{64 * '0'}'}}",
            "line 3: name is the one of an entry above",
            "Remove one",
            id="a name twice",
        ),
    ],
)
def test_a_fault_is_told_by_line_and_next_step(text: str, said: str, step: str) -> None:
    """Nothing of the file is repeated but names of fields that are known."""
    with pytest.raises(StartError) as caught:
        parsed(text)
    assert caught.value.what.startswith("FILE")
    assert said in caught.value.what
    assert step in caught.value.next_step
    assert "canary" not in str(caught.value)


def test_a_key_put_there_by_mistake_is_not_repeated() -> None:
    """As value, as name of a field and as name of the key."""
    text = "sk-qwen-canary"
    for fields in ({"digest": text}, {text: 1}, {"name": text}, {"expires_at": text}):
        with pytest.raises(StartError) as caught:
            one(**fields)
        assert "canary" not in str(caught.value)


def test_entries_may_share_what_they_have_in_common() -> None:
    """YAML's anchors and merges are taken, an entry's own word counts."""
    other = f"sha256:{digest(b'other').hex()}"
    first = f"- &usual {{name: a, digest: '{DIGEST}', max_concurrent: 4, priority: low}}"
    first, second = parsed(f"keys:\n{first}\n- {{<<: *usual, name: b, digest: '{other}'}}")
    assert (second.name, second.max_concurrent, second.priority) == ("b", 4, Priority.LOW)
    assert first.digest != second.digest


@pytest.mark.parametrize(
    "merge",
    [
        pytest.param("{<<: [*usual, *usual], name: b}", id="a list"),
        pytest.param("&b {<<: *usual}\n- {<<: *b, name: b}", id="of what merges itself"),
        pytest.param("&b {<<: *b, name: b}", id="itself"),
        pytest.param("{<<: {name: c}}", id="no other entry"),
    ],
)
def test_an_entry_merges_one_other_that_merges_nothing(merge: str) -> None:
    """Lists of merges of lists of merges would grow without bound."""
    first = f"- &usual {{name: a, digest: '{DIGEST}'}}"
    with pytest.raises(StartError, match=r"line \d: << takes over more") as caught:
        parsed(f"keys:\n{first}\n- {merge}")
    assert "Name one entry" in caught.value.next_step


@pytest.mark.parametrize("depth", [key_file.MAX_DEPTH - 2, 200_000])
def test_what_is_nested_too_deeply_ends_no_process(depth: int) -> None:
    """The parser would use up its stack; models in a list are as deep as a file goes."""
    name, other = "[" * depth, "]" * depth
    entry = f"- {{name: a, digest: '{DIGEST}', models: {name}a{other}}}"
    with pytest.raises(StartError, match="line 2: this is nested too deeply"):
        parsed(f"keys:\n{entry}")
    assert parsed(f"keys:\n- {{name: a, digest: '{DIGEST}', models: [a]}}")


def test_a_written_entry_is_read_back() -> None:
    """What `serving keys hash` writes is what the file takes, appended to `keys:`."""
    terms = KeyTerms(
        name="alice",
        owner="Zoë",
        models=("a",),
        max_concurrent=2,
        budget_usd=0.5,
        budget_period="weekly",
        expires_at="2027-01-31",
        priority="high",
        admin=True,
    )
    [key] = parsed("keys:\n" + entry(terms, digest(b"text")))
    assert {name: getattr(key, name) for name in dict(terms)} == dict(terms)
    assert key.digest == digest(b"text")


def test_a_file_is_parsed_when_its_bytes_change(tmp_path: Path, monkeypatch: Any) -> None:
    """Reading an unchanged file costs no parsing; a change is seen whatever its time says."""
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys: [{{name: a, digest: '{DIGEST}'}}]")
    source, counted = KeyFile(path), []
    monkeypatch.setattr(key_file, "parse", lambda *words: counted.append(1) or parse(*words))
    assert source.read() is source.read()
    path.write_text(f"keys: [{{name: b, digest: '{DIGEST}'}}]")
    assert [key.name for key in source.read()] == ["b"]
    assert len(counted) == 2
    path.write_text("keys: [")
    for _ in range(2):
        with pytest.raises(StartError, match="not valid YAML"):
            source.read()
    assert len(counted) == 3


@pytest.mark.parametrize(
    "content", [None, b"\xff\xfe", b"keys: []" + b" " * key_file.MAX_FILE_BYTES]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, no text, or too large."""
    path = tmp_path / "keys.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartError, match=r"gateway\.keys_file .*keys\.yaml"):
        KeyFile(path).read()


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    """The limit is the last size that works."""
    path = tmp_path / "keys.yaml"
    path.write_bytes(b"keys: []".ljust(key_file.MAX_FILE_BYTES))
    assert KeyFile(path).read() == ()
