"""GET /api/v1/key and /api/v1/keys."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openrouter import operations

from serving.gateway.api.key_answers import KeyAnswer, KeyList
from serving.gateway.key_terms import KeyTerms
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore
from serving.store.usage import UsageStore
from tests.serving.usage_records import START, record

Start = Callable[..., Any]
TERMS: dict[str, dict[str, Any]] = {
    "boss": {"admin": True},
    "alice": {
        "owner": "alice@example.org",
        "models": ("tiny-qwen3-vl",),
        "requests_per_minute": 60,
        "tokens_per_minute": 9000,
        "max_concurrent": 4,
        "expires_at": "2099-01-31T12:00:00Z",
        "priority": "low",
    },
    "gone": {},
}
BUDGETS: dict[str, dict[str, Any]] = {
    "alice": {"budget_usd": 2.0, "budget_period": "weekly"},
    "boss": {"admin": True, "budget_usd": 10.0},
    "free": {},
}


@pytest.fixture(name="issued")
def _issued() -> dict[str, Issued]:
    """Return keys of a store: an admin's, one with limits, and a revoked one."""
    engine = open_store(Address.of(StoreSettings()))
    store = KeyStore(engine)
    made = {name: store.create(KeyTerms(name=name, **said)) for name, said in TERMS.items()}
    store.revoke("gone")
    engine.dispose()
    return made


def get(gateway: Any, path: str, issued: Issued | None = None) -> Any:
    """Ask for a path with a key."""
    headers = {} if issued is None else {"authorization": f"Bearer {issued.text}"}
    return gateway.request("GET", path, headers=headers)


def test_a_key_reads_its_own_limits(issued: dict[str, Issued], start_gateway: Start) -> None:
    """In OpenRouter's shape, with this server's own limits beside it."""
    answer = get(start_gateway(), "/api/v1/key", issued["alice"])
    assert answer.status == 200
    msgspec.json.decode(answer.body, type=KeyAnswer)
    own = answer.json["data"]
    assert (own["label"], own["limit"], own["usage"]) == ("alice", None, 0)
    assert own["limit_remaining"] is own["limit_reset"] is own["effective_budget"] is None
    assert own["rate_limit"]["requests"] == own["requests_per_minute"] == 60
    assert (own["tokens_per_minute"], own["max_concurrent"]) == (9000, 4)
    assert own["models"] == ["tiny-qwen3-vl"]
    assert datetime.fromisoformat(own["expires_at"]) == datetime(2099, 1, 31, 12, tzinfo=UTC)
    assert (own["is_management_key"], own["is_provisioning_key"]) == (False, False)
    assert own["priority"] == "low"


def test_a_key_without_limits_says_so(issued: dict[str, Issued], start_gateway: Start) -> None:
    """null is no limit, in OpenRouter's older field it is -1."""
    own = get(start_gateway(), "/api/v1/key", issued["boss"]).json["data"]
    limits = ("requests_per_minute", "tokens_per_minute", "max_concurrent", "models", "expires_at")
    assert [own[name] for name in limits] == [None] * 5
    assert own["rate_limit"]["requests"] == -1
    assert own["is_management_key"]


def test_whoever_needs_no_key_is_anybody(start_gateway: Start) -> None:
    """A laptop's server answers, too; nobody there is an admin."""
    gateway = start_gateway()
    assert get(gateway, "/api/v1/key").json["data"]["label"] == "anybody"
    assert get(gateway, "/api/v1/keys").status == 403


def test_an_admin_lists_all_keys(
    issued: dict[str, Issued], start_gateway: Start, tmp_path: Path
) -> None:
    """Of every source, ended ones included, by the ids that the commands take; never a text."""
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys: [{{name: filed, digest: 'sha256:{'0' * 64}'}}]")
    gateway = start_gateway(api_keys=("configured-canary",), keys_file=path)
    answer = get(gateway, "/api/v1/keys", issued["boss"])
    assert answer.status == 200
    msgspec.json.decode(answer.body, type=KeyList)
    listed = {each["name"]: each for each in answer.json["data"]}
    assert list(listed) == ["key-1", "filed", "boss", "alice", "gone"]
    assert [each["disabled"] for each in listed.values()] == [False] * 4 + [True]
    assert listed["alice"]["hash"] == issued["alice"].key.id
    assert listed["alice"]["owner"] == "alice@example.org"
    assert listed["gone"]["revoked_at"] and listed["gone"]["created_at"]
    said = answer.body.decode()
    assert "canary" not in said
    assert not any(each.text in said or each.key.digest.hex() in said for each in issued.values())


def test_only_an_admin_lists(issued: dict[str, Issued], start_gateway: Start) -> None:
    """Others are told who can."""
    refused = get(start_gateway(), "/api/v1/keys", issued["alice"])
    assert (refused.status, refused.error["code"]) == (403, 403)
    assert refused.error["metadata"]["provider_code"] == "permission_denied"
    assert "serving keys list" in refused.error["message"]


@pytest.mark.parametrize("path", ["/v1/key", "/v1/keys"])
def test_openais_dialect_has_no_such_routes(start_gateway: Start, path: str) -> None:
    """The refusal names the routes there are."""
    answer = get(start_gateway(), path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "/v1/models" in answer.error["message"]
    assert "/v1/key" not in answer.error["message"].partition(". ")[2]


@pytest.mark.parametrize("path", ["/api/v1/key", "/api/v1/keys"])
def test_no_key_no_answer(issued: dict[str, Issued], start_gateway: Start, path: str) -> None:
    """Without a key, or with a revoked one, nothing is told; other methods are refused."""
    gateway = start_gateway()
    assert get(gateway, path).status == get(gateway, path, issued["gone"]).status == 401
    assert gateway.request("POST", path, b"{}").status == 405


@pytest.fixture(name="spent")
def _spent(tmp_path: Path) -> dict[str, Issued]:
    """Return keys of a store that have spent 1 USD each in this day, and 8 in a past year."""
    engine = open_store(Address.of(StoreSettings(url=f"sqlite:///{tmp_path}/serving.db")))
    store, usage = KeyStore(engine), UsageStore(engine)
    made = {name: store.create(KeyTerms(name=name, **said)) for name, said in BUDGETS.items()}
    for name, issued in made.items():
        fields = {"key_id": issued.key.id, "key": name}
        now, past = record(time.time() - START, **fields), record(-400 * 86_400, **fields)
        now.cost, past.cost = 1.0, 8.0
        usage.write(name, [now, past])
    engine.dispose()
    return made


def test_a_key_reads_what_it_has_spent(
    spent: dict[str, Issued], start_gateway: Start, tmp_path: Path
) -> None:
    """In all, and by day, week and month; of a budget what is left of its period."""
    gateway = start_gateway(store_url=f"sqlite:///{tmp_path}/serving.db")
    own = {name: get(gateway, "/api/v1/key", each).json["data"] for name, each in spent.items()}
    for each in own.values():
        usage = [each[f"usage{period}"] for period in ("", "_daily", "_weekly", "_monthly")]
        assert usage == [9, 1, 1, 1]
    limits = ("limit", "limit_remaining", "limit_reset")
    assert [own["alice"][name] for name in limits] == [2, 1, "weekly"]
    assert [own["boss"][name] for name in limits] == [10, 1, None]
    assert [own["free"][name] for name in limits] == [None, None, None]
    budget = own["alice"]["effective_budget"]
    assert own["alice"]["budgets"] == [budget]
    assert (budget["limit_usd"], budget["spend_usd"], budget["remaining_usd"]) == (2, 1, 1)
    assert datetime.fromisoformat(budget["resets_at"]).weekday() == 0
    assert own["boss"]["effective_budget"]["resets_at"] is None
    for listed in get(gateway, "/api/v1/keys", spent["boss"]).json["data"]:
        for field in (*limits, "usage", "usage_daily"):
            assert listed[field] == own[listed["name"]][field]


@pytest.mark.filterwarnings("ignore:.*DEPRECATED")
def test_openrouters_own_client_reads_both(
    spent: dict[str, Issued], start_gateway: Start, tmp_path: Path
) -> None:
    """Its types know all that is required of an answer, for keys of every source."""
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys: [{{name: filed, digest: 'sha256:{'0' * 64}', expires_at: 2099-01-31}}]")
    gateway = start_gateway(store_url=f"sqlite:///{tmp_path}/serving.db", keys_file=path)
    for issued in spent.values():
        answer = get(gateway, "/api/v1/key", issued)
        own = operations.GetCurrentKeyResponse.model_validate_json(answer.body).data
        assert own.usage == 9
    assert own.effective_budget is None
    answer = get(gateway, "/api/v1/keys", spent["boss"])
    listed = operations.ListResponse.model_validate_json(answer.body).data
    assert [each.name for each in listed] == ["filed", *BUDGETS]
    assert listed[0].expires_at == datetime(2099, 2, 1, tzinfo=UTC)


def test_without_a_ledger_nothing_is_told_as_spent(
    spent: dict[str, Issued], start_gateway: Start, tmp_path: Path
) -> None:
    """0 used, and null where what is left cannot be said."""
    gateway = start_gateway(store_url=f"sqlite:///{tmp_path}/serving.db", usage=False)
    own = get(gateway, "/api/v1/key", spent["alice"]).json["data"]
    assert (own["usage"], own["limit"], own["limit_remaining"], own["budgets"]) == (0, 2, None, [])


def test_a_store_that_is_away_is_no_zero(
    spent: dict[str, Issued], start_gateway: Start, tmp_path: Path
) -> None:
    """Nobody is told that nothing was spent where nobody knows."""
    gateway = start_gateway(store_url=f"sqlite:///{tmp_path}/serving.db")
    assert get(gateway, "/api/v1/key", spent["alice"]).status == 200
    (tmp_path / "serving.db").rename(tmp_path / "elsewhere.db")
    for path, name in (("/api/v1/key", "alice"), ("/api/v1/keys", "boss")):
        answer = get(gateway, path, spent[name])
        assert answer.status == 503
        assert answer.error["metadata"]["provider_code"] == "store_unavailable"
