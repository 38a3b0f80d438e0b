"""GET /api/v1/key and /api/v1/keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.gateway.api.keys import KeyAnswer, KeyList
from serving.gateway.key_terms import KeyTerms
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore

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
