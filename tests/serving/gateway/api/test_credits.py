"""GET /api/v1/credits: what the asking key has spent and may spend."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openrouter.operations import GetCreditsResponse

from serving.gateway.api.credits import WITHOUT_BUDGET_USD
from serving.gateway.key_terms import KeyTerms
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import Issued, KeyStore
from tests.fake_engine import FakeEngine, answer_events, stream, usage_event
from tests.serving.used import record, write

Start = Callable[..., Any]
# A dollar for a thousand tokens of either kind.
PRICES = {"prompt_price": 1000.0, "completion_price": 1000.0}
DAY = 86_400


@pytest.fixture(name="store_url")
def _store_url(tmp_path: Path) -> str:
    """Return where keys and the ledger are kept."""
    return f"sqlite:///{tmp_path}/store.db"


def issue(url: str, name: str, **terms: Any) -> Issued:
    """Make a key."""
    engine = open_store(Address.of(StoreSettings(url=url)))
    try:
        return KeyStore(engine).create(KeyTerms(name=name, **terms))
    finally:
        engine.dispose()


def account(gateway: Any, issued: Issued) -> tuple[float, float]:
    """Return total_credits and total_usage of a key, read as OpenRouter's SDK does."""
    headers = {"authorization": f"Bearer {issued.text}"}
    answer = gateway.request("GET", "/api/v1/credits", headers=headers)
    assert answer.status == 200, answer.body
    data = GetCreditsResponse.model_validate_json(answer.body).data
    return data.total_credits, data.total_usage


def test_usage_grows_with_each_answer(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """Right after it, by its cost, for its own key alone; what is left of no budget stays."""
    asker, other = issue(store_url, "asker"), issue(store_url, "other")
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    assert account(gateway, asker) == (WITHOUT_BUDGET_USD, 0)
    for number in range(1, 4):
        engine.play(stream([*answer_events()[:-2], usage_event(700, 300), answer_events()[-1]]))
        gateway.chat({"authorization": f"Bearer {asker.text}"}, stream=True)
        assert account(gateway, asker) == (WITHOUT_BUDGET_USD + number, number)
    assert account(gateway, other) == (WITHOUT_BUDGET_USD, 0)


@pytest.mark.parametrize(
    ("terms", "left"),
    [
        pytest.param({"budget_usd": 10.0}, 6.0, id="for ever"),
        pytest.param({"budget_usd": 10.0, "budget_period": "daily"}, 9.0, id="daily"),
        pytest.param({"budget_usd": 2.5}, 0.0, id="overdrawn"),
    ],
)
def test_what_is_left_is_left_of_the_budget(
    start_gateway: Start, store_url: str, terms: dict[str, Any], left: float
) -> None:
    """The difference of the two is what the key may spend in the budget's period."""
    issued = issue(store_url, "asker", **terms)
    mine = {"key_id": issued.key.id}
    now = time.time()
    write(
        record("req_1", time=now, cost=1.0, **mine),
        record("req_2", time=now - 40 * DAY, cost=3.0, **mine),
        record("req_3", time=now, cost=50.0),
        url=store_url,
    )
    credits, usage = account(start_gateway(store_url=store_url), issued)
    assert (usage, round(credits - usage, 9)) == (4.0, left)


def test_a_server_that_keeps_no_usage_says_so(start_gateway: Start, store_url: str) -> None:
    """By the setting's name, instead of a number that would be wrong."""
    issued = issue(store_url, "asker")
    gateway = start_gateway(store_url=store_url, usage=False)
    headers = {"authorization": f"Bearer {issued.text}"}
    refused = gateway.request("GET", "/api/v1/credits", headers=headers)
    assert refused.status == 404
    assert refused.error["metadata"]["provider_code"] == "usage_not_kept"


def test_it_is_openrouters_alone(start_gateway: Start, store_url: str) -> None:
    """And no secret of anybody without a key."""
    gateway = start_gateway(store_url=store_url, api_keys=("a-key",))
    headers = {"authorization": "Bearer a-key"}
    assert gateway.request("GET", "/v1/credits", headers=headers).error["code"] == "unknown_url"
    assert gateway.request("GET", "/api/v1/credits").status == 401
