"""`serving keys`: what its commands do to the store, and what they say."""

import http.client
import json
import logging
import re
import shlex
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serving.gateway.key import digest
from serving.gateway.key_file import KeyFile
from serving.keys_command import app
from serving.options import StoreSettings
from serving.store.address import Address, default_path
from serving.store.database import open_store
from serving.store.usage import UsageStore
from tests.certificates import Authority
from tests.serving.conftest import WAIT_SECONDS
from tests.serving.usage_records import START, record

Run = Callable[..., Result]
TEXT = re.compile(r"sk-qwen-[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")


@pytest.fixture(name="keys")
def _keys() -> Iterator[Run]:
    """Return what runs `serving keys` with words, in this process; its logging is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda *words, typed="", **env: CliRunner().invoke(app, words, input=typed, env=env)
    root.handlers[:] = handlers
    root.setLevel(level)


def text_in(said: str) -> str:
    """Return the one key that a command has printed."""
    [text] = set(TEXT.findall(said))
    return text


def test_a_new_key_comes_with_all_its_holder_needs(keys: Run) -> None:
    """Base URL, model, limits and a line to paste; the first one says what it changes."""
    made = keys("create", "alice", "--model", "tiny", "--requests-per-minute", "60", PORT="8123")
    assert made.exit_code == 0
    text = text_in(made.stdout)
    base = "http://127.0.0.1:8123/v1"
    assert base in made.stdout
    assert "60 requests a minute" in made.stdout
    [line] = [line for line in made.stdout.splitlines() if line.strip().startswith("curl")]
    words = shlex.split(line)
    assert f"{base}/chat/completions" in words
    assert f"authorization: Bearer {text}" in words
    assert json.loads(words[-1])["model"] == "tiny"
    assert "only this machine" in made.stdout
    assert "within 10 seconds" in made.stdout
    assert "asks everybody" in made.stdout
    assert "Not served" not in made.stdout
    second = keys("create", "bob", "--model", "absent")
    assert "asks everybody" not in second.stdout
    assert "Not served with these settings: absent" in second.stdout


@pytest.mark.parametrize(
    ("words", "environ", "base"),
    [
        pytest.param(["--url", "https://vl.example/"], {}, "https://vl.example/v1 ", id="named"),
        pytest.param([], {"HOST": "10.1.2.3", "PORT": "80"}, "http://10.1.2.3:80/v1 ", id="host"),
        pytest.param([], {"HOST": "::1"}, "http://[::1]:8000/v1 ", id="IPv6"),
    ],
)
def test_the_address_is_the_holders(keys: Run, words: list[str], environ: Any, base: str) -> None:
    """As the settings have it, or as it is named."""
    assert f"  Base URL  {base}" in keys("create", "alice", *words, **environ).stdout


def test_an_address_under_tls_is_one_that_the_certificate_holds(keys: Run, tmp_path: Path) -> None:
    """The holder's client would refuse any other; a name comes from it where none is bound."""
    cert_file, key_file = Authority(tmp_path).issue()
    files = {
        "SERVING_GATEWAY__TLS_CERT_FILE": str(cert_file),
        "SERVING_GATEWAY__TLS_KEY_FILE": str(key_file),
    }
    for name, host, base in (
        ("alice", "0.0.0.0", "https://gateway.test:8000/v1 "),  # noqa: S104 — named, not bound
        ("bob", "127.0.0.1", "https://127.0.0.1:8000/v1 "),
    ):
        assert f"  Base URL  {base}" in keys("create", name, HOST=host, **files).stdout
    key_file.unlink()
    made = keys("create", "carol", HOST="vl.example", **files)
    assert "  Base URL  https://vl.example:8000/v1 " in made.stdout


def test_a_server_for_all_addresses_is_named_as_this_machine(keys: Run) -> None:
    """Nobody else can use 0.0.0.0, and nobody is told that only this machine reaches it."""
    made = keys("create", "alice", HOST="0.0.0.0").stdout  # noqa: S104 — named, not bound
    assert f"  Base URL  http://{socket.getfqdn()}:8000/v1 " in made
    assert "only this machine" not in made


def test_the_store_is_named(keys: Run, tmp_path: Path) -> None:
    """Who makes a key beside the server's store sees why it does not work; no password is told."""
    assert f"within 10 seconds: {default_path()}." in keys("create", "alice").stdout
    url = f"sqlite:///{tmp_path}/keys.db"
    assert f": store.url {url}." in keys("create", "alice", SERVING_STORE__URL=url).stdout


def test_every_option_becomes_a_term(keys: Run) -> None:
    """What was said is shown again, by name and by id."""
    words = ["--owner", "team", "--model", "a", "--model", "b", "--requests-per-minute", "1"]
    words += ["--tokens-per-minute", "2", "--max-concurrent", "3", "--expires", "2099-01-31"]
    words += ["--budget-usd", "1234.5", "--budget-period", "weekly"]
    assert keys("create", "alice", *words, "--priority", "low", "--admin").exit_code == 0
    shown = keys("show", "alice").stdout
    facts = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert facts["owner"] == "team"
    assert facts["models"] == "a, b"
    limits = "1 requests a minute, 2 tokens a minute, 3 at the same time, 1,234.5 USD a week"
    assert facts["limits"] == limits
    assert facts["expires"] == "2099-02-01 00:00 UTC"
    assert (facts["priority"], facts["admin"], facts["state"]) == ("low", "yes", "live")
    assert keys("show", facts["id"]).stdout == shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--requests-per-minute", "0"], "requests_per_minute is refused", id="zero"),
        pytest.param(["--expires", "90"], "--expires is refused", id="no unit"),
        pytest.param(["--expires", "0d"], "--expires is refused", id="no time"),
        pytest.param(["--expires", "2020-01-01"], "would have expired", id="past"),
        pytest.param(["--priority", "urgent"], "priority is refused", id="priority"),
        pytest.param(["--budget-usd", "0"], "budget_usd is refused", id="no budget"),
        pytest.param(["--budget-period", "daily"], "budget_period is refused", id="a period alone"),
    ],
)
def test_a_bad_option_makes_no_key(keys: Run, words: list[str], said: str) -> None:
    """One sentence names it; no store is made, or no key in it."""
    refused = keys("create", "alice", *words)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Not done: ")
    assert said in refused.stderr
    assert "alice" not in keys("list").stdout


def test_what_a_key_has_spent_is_shown(keys: Run) -> None:
    """In the running period of its budget, else in all."""
    since = datetime.now(UTC).date().replace(day=1)
    keys("create", "alice", "--budget-usd", "20", "--budget-period", "monthly")
    keys("create", "bob")
    engine = open_store(Address.of(StoreSettings()))
    usage = UsageStore(engine)
    for name in ("alice", "bob"):
        key_id = keys("show", name).stdout.split()[1]
        for days, cost in ((0, 0.5), (32, 1.25)):
            at = time.time() - START - 86_400 * days
            usage.write(f"{name}{days}", [record(at, key_id=key_id, key=name, cost=cost)])
    engine.dispose()
    assert f"spent     0.5 USD since {since}\n" in keys("show", "alice").stdout
    assert "spent     1.75 USD\n" in keys("show", "bob").stdout


def test_a_budget_that_can_never_end_is_noted(keys: Run) -> None:
    """The tiny model costs nothing; the key is made all the same."""
    prices = {"SERVING_MODELS__COMPLETION_PRICE": "1"}
    said = "costs 0 USD with these settings, so that the budget never ends"
    assert said in keys("create", "alice", "--budget-usd", "20").stdout
    assert said not in keys("create", "bob").stdout
    assert said not in keys("create", "carol", "--budget-usd", "20", **prices).stdout
    free = prices | {"SERVING_MODELS__PRICE_DISCOUNT": "1"}
    assert said in keys("create", "dave", "--budget-usd", "20", **free).stdout


def test_a_budget_that_nobody_counts_is_refused(keys: Run) -> None:
    """Where no usage is kept a key with one would never be let in."""
    unkept = {"SERVING_STORE__USAGE": "false"}
    refused = keys("create", "alice", "--budget-usd", "20", **unkept)
    assert (refused.exit_code, "store.usage is false" in refused.stderr) == (1, True)
    assert keys("create", "alice", **unkept).exit_code == 0


@pytest.mark.parametrize(("said", "days"), [("90d", 90), ("48h", 2), ("2880m", 2)])
def test_an_end_may_be_a_time_from_now(keys: Run, said: str, days: int) -> None:
    """In days, hours or minutes."""
    keys("create", "alice", "--expires", said)
    with sqlite3.connect(default_path()) as connection:
        [[created, expires]] = connection.execute("SELECT created_at, expires_at FROM api_keys")
    connection.close()
    assert abs(expires - created - days * 86_400) < 60


def test_keys_are_listed_in_columns(keys: Run) -> None:
    """Every value stands under its heading, and ended keys say so."""
    keys("create", "a-long-name-for-a-key", "--max-concurrent", "4", "--budget-usd", "20")
    keys("create", "bob", "--owner", "bob@example.org")
    keys("revoke", "bob")
    heading, first, second = keys("list").stdout.splitlines()
    for line, name, state in ((first, "a-long-name-for-a-key", "live"), (second, "bob", "revoked")):
        assert line[heading.index("NAME") :].startswith(name)
        assert line[heading.index("STATE") :].startswith(state)
    assert first[heading.index("CONCURRENT") :].startswith("4 ")
    assert first[heading.index("BUDGET") :].startswith("20 USD in all ")
    assert second[heading.index("BUDGET") :].startswith("- ")
    assert second[heading.index("OWNER") :].startswith("bob@example.org")


def test_revoking_is_by_name_or_id_and_once(keys: Run) -> None:
    """The second time is an error that says why."""
    keys("create", "alice")
    assert "within 10 seconds" in keys("revoke", "alice").stdout
    again = keys("revoke", "alice")
    assert (again.exit_code, "is revoked" in again.stderr) == (1, True)
    assert keys("create", "alice").exit_code == 0
    identity = keys("show", "alice").stdout.split()[1]
    assert keys("revoke", identity).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"), [([], "ends within 10 seconds"), (["--grace", "24h"], "works until 20")]
)
def test_a_rotation_prints_a_new_text(keys: Run, words: list[str], said: str) -> None:
    """The name and the id stay, and the old text's end is told."""
    made = keys("create", "alice")
    rotated = keys("rotate", "alice", *words)
    assert rotated.exit_code == 0
    assert text_in(made.stdout) != text_in(rotated.stdout)
    assert said in rotated.stdout
    assert ("the text before works until" in keys("show", "alice").stdout) == bool(words)


def test_a_grace_is_a_duration(keys: Run) -> None:
    """A number alone could be anything."""
    keys("create", "alice")
    refused = keys("rotate", "alice", "--grace", "24")
    assert (refused.exit_code, "--grace is refused" in refused.stderr) == (1, True)


@pytest.mark.parametrize("words", [["list"], ["show", "a"], ["revoke", "a"], ["rotate", "a"]])
def test_looking_makes_no_store(keys: Run, words: list[str]) -> None:
    """Only `create` makes the file."""
    refused = keys(*words)
    assert refused.exit_code == 1
    assert "serving keys create" in refused.stderr
    assert not default_path().exists()


def test_an_entry_for_the_file_is_of_the_key_that_is_read(keys: Run, tmp_path: Path) -> None:
    """It is YAML that the file takes; the key itself is not in it."""
    text = "x" * 31 + "y"
    words = ["hash", "alice", "--max-concurrent", "4", "--expires", "2027-01-31"]
    words += ["--budget-usd", "0.5"]
    written = keys(*words, typed=f"{text}\n")
    assert written.exit_code == 0
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n" + written.stdout)
    [key] = KeyFile(path).read()
    assert (key.digest, key.max_concurrent) == (digest(text.encode()), 4)
    assert (key.budget_usd, key.admin) == (0.5, False)
    assert text not in written.output


def test_a_new_key_for_the_file_is_printed_beside_the_entry(keys: Run, tmp_path: Path) -> None:
    """The entry alone goes to stdout, so that it can be appended to the file."""
    written = keys("hash", "alice", "--new")
    text = text_in(written.stderr)
    assert text not in written.stdout
    [entry] = yaml.safe_load(written.stdout)
    assert entry == {"name": "alice", "digest": f"sha256:{digest(text.encode()).hex()}"}


def test_a_short_key_gets_no_entry(keys: Run) -> None:
    """A digest without salt does not hide what can be guessed; 32 characters are the least."""
    refused = keys("hash", "alice", typed="x" * 31 + "\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "31 characters" in refused.stderr
    assert "xxx" not in refused.stderr


@pytest.mark.parametrize("odd", [b" ", "\xfc".encode(), b"\0", b"\xff"])
def test_a_key_that_not_every_client_can_send_gets_no_entry(keys: Run, odd: bytes) -> None:
    """Blanks and what is beyond ASCII are refused; all else that can be printed is taken."""
    refused = keys("hash", "alice", typed=b"x" * 32 + odd + b"x\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "holds blanks" in refused.stderr
    printable = "".join(map(chr, range(33, 127)))
    assert keys("hash", "alice", typed=f"{printable}\n").exit_code == 0


def test_a_store_that_fails_is_one_sentence(keys: Run) -> None:
    """The address without its password, and no trace."""
    failed = keys("list", SERVING_STORE__URL="postgresql://u:hunter2@127.0.0.1:1/db")
    assert failed.exit_code == 1
    assert "store.url" in failed.stderr
    assert "hunter2" not in failed.output
    assert "Traceback" not in failed.output


def test_a_key_of_the_real_program_opens_the_real_gateway(keys: Run, room: Any) -> None:
    """One process makes it, another lets it in, until it is revoked, and nobody else.

    Its text is in no log, no metric, no answer, no other command's output and no file.
    """
    made = room.run("keys", "create", "alice")
    assert made.code == 0, made.stderr
    rotated = keys("rotate", "alice", "--grace", "1h")
    texts = [text_in(made.stdout), text_in(rotated.stdout)]
    process = room.start("gateway")
    try:
        wait_for_status(room, texts[0], 200)
        assert [asked(room, text)[0] for text in (texts[1], None, "other")] == [200, 401, 401]
        answers = [asked(room, text, path)[1] for text in texts for path in PATHS]
        keys("revoke", "alice")
        wait_for_status(room, texts[0], 401)
        answers += [asked(room, text)[1] for text in texts]
        answers += [asked(room, None, "/metrics", admin=True)[1]]
        files = [path.read_bytes().decode("latin-1") for path in default_path().parent.iterdir()]
    finally:
        process.terminate()
        ended = room.end(process)
    assert ended.code == 0
    assert '"route": "models"' in ended.stderr
    said = [ended.stdout, ended.stderr, made.stderr, rotated.stderr, *answers]
    said += [keys(*words).output for words in (["list"], ["show", "alice"])]
    assert all(any("alice" in each for each in some) for some in (files, said))
    secrets = [text.removeprefix("sk-qwen-") for text in texts]
    assert not any(secret in each for secret in secrets for each in said + files)


PATHS = ("/v1/models", "/api/v1/key", "/api/v1/keys", "/v1/nowhere")


def asked(
    room: Any, text: str | None, path: str = "/v1/models", *, admin: bool = False
) -> tuple[int, str]:
    """Return status and body of what the gateway answers to a key; 0 where nobody answers."""
    port = room.admin_port if admin else room.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {} if text is None else {"authorization": f"Bearer {text}"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def wait_for_status(room: Any, text: str | None, status: int) -> None:
    """Wait until the gateway answers a key with this status."""
    give_up = time.monotonic() + WAIT_SECONDS
    while asked(room, text)[0] != status:
        assert time.monotonic() < give_up
        time.sleep(0.1)
