"""GET /page/performance and /page/usage, through the gateway's own port."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.key_terms import KeyTerms
from serving.gateway.page.activity import WINDOWS
from serving.gateway.page.performance import SOURCES as WINDOW_SOURCES
from serving.gateway.page.usage import SOURCES as DAY_SOURCES
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore
from serving.store.usage import UsageStore
from tests.serving.gateway.page.markup import columns, figures, named, read, text
from tests.serving.usage_records import record

Start = Callable[..., Any]
PATHS = ("/page/performance", "/page/usage")
HARMFUL = {"script", "style", "link", "img", "image", "use", "iframe", "form"}


@pytest.fixture(name="store_url")
def _store_url(tmp_path: Path) -> str:
    """Return the address of a store."""
    return f"sqlite:///{tmp_path}/serving.db"


@pytest.fixture(name="issued")
def _issued(store_url: str) -> dict[str, Issued]:
    """Return three keys, the boss's an admin's; alice and bob have used the server just now."""
    engine = open_store(Address.of(StoreSettings(url=store_url)))
    keys = KeyStore(engine)
    made = {
        name: keys.create(KeyTerms(name=name, admin=name == "boss"))
        for name in ("alice", "bob", "boss")
    }
    rows = [
        record(
            id=f"{name}-{number}",
            time=time.time(),
            key_id=made[name].key.id,
            key=name,
            app=f"app of <{name}>",
            prompt_tokens=tokens,
            first_token_seconds=0.25,
        )
        for name, tokens in (("alice", 100), ("bob", 7))
        for number in range(10)
    ]
    UsageStore(engine).write("batch", rows)
    engine.dispose()
    return made


def get(gateway: Any, path: str, issued: Issued | None = None, method: str = "GET") -> Any:
    """Ask for a path with a key."""
    headers = {} if issued is None else {"authorization": f"Bearer {issued.text}"}
    return gateway.request(method, path, headers=headers)


def test_a_key_sees_its_own_usage_and_an_admin_all(
    issued: dict[str, Issued], start_gateway: Start, store_url: str
) -> None:
    """No name and no number of another key is in what a key gets, also when asked in turn."""
    gateway = start_gateway(store_url=store_url)
    for _ in range(2):
        drawn = {
            name: read(get(gateway, "/page/usage", issued[name]).body.decode()) for name in issued
        }
        heads = {name: text(named(each, "usage-totals-head")) for name, each in drawn.items()}
        assert heads == {
            "alice": "30 days of the key alice",
            "bob": "30 days of the key bob",
            "boss": "30 days of all keys",
        }
        apps = {name: columns(each, "usage-app") for name, each in drawn.items()}
        assert (apps["alice"]["App"], apps["alice"]["Tokens"]) == (["app of <alice>"], ["1,000"])
        assert (apps["bob"]["App"], apps["bob"]["Tokens"]) == (["app of <bob>"], ["70"])
        assert apps["boss"]["Tokens"] == ["1,000", "70"]
        assert columns(drawn["boss"], "usage-key")["Key"] == ["alice", "bob"]
        assert "bob" not in text(drawn["alice"])
        assert "alice" not in text(drawn["bob"])


@pytest.mark.parametrize("path", PATHS)
def test_whoever_needs_a_key_must_have_one(
    issued: dict[str, Issued], start_gateway: Start, store_url: str, path: str
) -> None:
    """Neither how the server does nor who uses it is everybody's business."""
    gateway = start_gateway(store_url=store_url)
    assert get(gateway, path).status == 401
    assert get(gateway, path, issued["alice"]).status == 200


def test_how_the_server_does_is_the_same_for_all_keys(
    issued: dict[str, Issued], start_gateway: Start, store_url: str
) -> None:
    """It is told of all keys together, and names none."""
    gateway = start_gateway(store_url=store_url)
    shown = [get(gateway, "/page/performance", each).body.decode() for each in issued.values()]
    assert shown[0] == shown[1] == shown[2]
    assert figures(read(shown[0]), "plot-first-token-head")["p50"].endswith("ms")
    assert not any(name in shown[0] for name in ("alice", "bob"))


def test_where_no_key_is_needed_all_is_shown(start_gateway: Start, engine: Any) -> None:
    """What was asked just now is in it as soon as it is written."""
    gateway = start_gateway(usage=True)
    gateway.wait_ready()
    assert gateway.chat(headers={"X-Title": "my app"}, stream=True).status == 200
    gateway.end()
    drawn = read(get(start_gateway(usage=True), "/page/usage").body.decode())
    assert columns(drawn, "usage-app")["App"] == ["my app"]
    assert text(named(drawn, "usage-totals-head")) == "30 days of all keys"
    assert "Keys" not in text(drawn)


def test_every_piece_is_whole_and_harmless(start_gateway: Start) -> None:
    """It is well formed, runs and loads nothing, names a place once, and links to the others."""
    engine = open_store(Address.of(StoreSettings()))
    rows = [record(number, time=time.time(), first_token_seconds=0.5) for number in range(20)]
    UsageStore(engine).write("batch", rows)
    engine.dispose()
    gateway, sources = start_gateway(usage=True), {*WINDOW_SOURCES.values(), *DAY_SOURCES.values()}
    for path in {*sources, *PATHS}:
        answer = get(gateway, path)
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        html = answer.body.decode()
        drawn = read(html)
        names = [name for each in drawn.iter() if (name := each.get("id"))]
        assert len(names) == len(set(names))
        told = {name for each in drawn.iter() for name in each.get("aria-labelledby", "").split()}
        assert told <= set(names)
        assert {each.tag for each in drawn.iter()} & HARMFUL == set()
        attributes = {name for each in drawn.iter() for name in each.attrib}
        assert attributes & {"style", "src"} == set()
        assert not any(name.startswith("on") for name in attributes)
        assert not re.search(r"https?:|url\((?!#)", html)
        assert {link.get("href") for link in drawn.iter("a")} <= sources


@pytest.mark.parametrize(
    ("path", "param", "choices"),
    [
        ("/page/performance?window=2h", "window", WINDOWS),
        ("/page/performance?window=%3Cscript%3E", "window", WINDOWS),
        ("/page/usage?days=31", "days", DAY_SOURCES),
        ("/page/usage?days=nan", "days", DAY_SOURCES),
    ],
)
def test_what_is_not_offered_is_refused(
    gateway: Any, path: str, param: str, choices: dict[Any, Any]
) -> None:
    """The refusal names what there is."""
    answer = get(gateway, path)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, "invalid_value")
    assert all(str(choice) in answer.error["message"] for choice in choices)


@pytest.mark.parametrize("path", PATHS)
def test_without_a_ledger_the_setting_is_named(start_gateway: Start, path: str) -> None:
    """Who sees nothing is told how there would be something."""
    answer = get(start_gateway(), path)
    assert answer.status == 200
    assert "store.usage: true" in text(read(answer.body.decode()))


@pytest.mark.parametrize("path", PATHS)
def test_a_store_that_is_gone_is_said(
    issued: dict[str, Issued], start_gateway: Start, store_url: str, path: str
) -> None:
    """The answer is an error with its reason, not an empty plot."""
    gateway = start_gateway(store_url=store_url)
    assert get(gateway, "/page/usage?days=7", issued["boss"]).status == 200
    for file in Path(store_url.removeprefix("sqlite:///")).parent.glob("serving.db*"):
        file.unlink()
    answer = get(gateway, path, issued["boss"])
    assert answer.status == 503
    assert answer.error["code"] == "store_unavailable"
    assert get(gateway, "/v1/models", issued["boss"]).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_operator_may_show_no_page(start_gateway: Start, path: str) -> None:
    """Then its pieces are not there either."""
    assert get(start_gateway(model_page=False), path).status == 404
