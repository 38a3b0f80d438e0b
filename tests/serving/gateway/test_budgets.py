"""Budgets of keys at a whole gateway: to the last cent, then 402, then a new period."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.failure import StartError
from serving.gateway import spending, spending_account
from serving.gateway.key import digest
from serving.gateway.key_terms import KeyTerms
from serving.gateway.keys import load_keys
from serving.gateway.spending import Clock
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import KeyStore
from tests.fake_engine import DONE, UNARY, FakeEngine, answer_events, held, refusal, stream, whole
from tests.serving.gateway.conftest import settings_for

Start = Callable[..., Any]
# The fake engine's answers have 5 tokens of output: 10 cents.
PRICES = {"prompt_price": 0.0, "completion_price": 20_000.0}
ANSWER_USD = 0.1
MONTH_SECONDS = 31 * 86_400.0


@pytest.fixture(autouse=True)
def _frequent_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gateways read what was spent often: tests wait for it."""
    monkeypatch.setattr(spending, "REFRESH_SECONDS", 0.05)


@pytest.fixture(name="store_url")
def _store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/serving.db"


def make_keys(store_url: str, **budgets: float | None) -> dict[str, dict[str, str]]:
    """Make keys with a budget a month, or none; return what each sends as headers."""
    engine = open_store(Address.of(StoreSettings(url=store_url)))
    store = KeyStore(engine)
    texts = {
        name: store.create(
            KeyTerms(name=name, budget_usd=usd, budget_period="monthly" if usd else None)
        ).text
        for name, usd in budgets.items()
    }
    engine.dispose()
    return {name: {"authorization": f"Bearer {text}"} for name, text in texts.items()}


def ask(gateway: Any, headers: dict[str, str], path: str = "/v1/chat/completions") -> Any:
    """Ask for an answer of at most 5 tokens: more is not expected of it either."""
    return gateway.chat(headers, path, max_tokens=5)


def test_a_key_spends_to_its_limit_and_no_further(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """The refusal comes before the engine, in each dialect's form; other keys go on."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.3, bob=None)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    assert [ask(gateway, keys["alice"]).status for _ in range(4)] == [200, 200, 200, 402]
    refused = ask(gateway, keys["alice"])
    assert refused.error["code"] == refused.error["type"] == "insufficient_quota"
    assert "may spend 0.3 USD a month, and has spent 0.3 USD" in refused.error["message"]
    assert "The next month begins on " in refused.error["message"]
    error = ask(gateway, keys["alice"], "/api/v1/chat/completions").error
    assert (error["code"], error["metadata"]["error_type"]) == (402, "payment_required")
    assert error["metadata"]["provider_code"] == "insufficient_quota"
    assert ask(gateway, keys["alice"], "/v1/messages").error["type"] == "billing_error"
    assert ask(gateway, keys["bob"]).status == 200
    assert len(engine.requests) == 4
    assert gateway.metric('gateway_refusals_total{reason="insufficient_quota"}') == 4


def test_the_metric_tells_how_much_is_used(
    engine: FakeEngine, start_gateway: Start, store_url: str, wait_for: Start
) -> None:
    """As a share of the budget, for keys that have one."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.4, bob=None)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    for name in ("alice", "bob"):
        ask(gateway, keys[name])
    used = 'gateway_key_budget_used_ratio{key="alice"}'
    wait_for(lambda: gateway.metric(used) == pytest.approx(ANSWER_USD / 0.4))
    assert b'budget_used_ratio{key="bob"' not in gateway.admin("/metrics").body


def test_a_restart_forgets_nothing(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """What was spent is in the ledger."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.1)
    for status in (200, 402):
        gateway = start_gateway(store_url=store_url, prices=PRICES)
        gateway.wait_ready()
        assert ask(gateway, keys["alice"]).status == status
        gateway.end()


def test_a_new_period_lets_in_again(
    engine: FakeEngine, start_gateway: Start, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The month after, all is there again."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.1)
    later = [0.0]
    clock = Clock(wall=lambda: time.time() + later[0])
    monkeypatch.setattr(spending, "Clock", lambda: clock)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    assert [ask(gateway, keys["alice"]).status for _ in range(2)] == [200, 402]
    later[0] = MONTH_SECONDS
    assert ask(gateway, keys["alice"]).status == 200


def test_what_runs_when_the_budget_ends_is_finished(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """An answer that began with money left comes whole, whatever else was spent meanwhile."""
    go = threading.Event()
    events = answer_events()
    engine.play(held(events[:2], go, events[2:]))
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.2)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: gateway.chat(keys["alice"], max_tokens=5, stream=True))
        engine.last()
        assert ask(gateway, keys["alice"]).status == 200
        told = ask(gateway, keys["alice"])
        assert (told.status, told.error["code"]) == (429, "rate_limit_exceeded")
        assert "its running requests are expected to take the rest" in told.error["message"]
        assert told.headers["retry-after"] == "1"
        go.set()
        assert running.result().body.endswith(DONE)
    assert ask(gateway, keys["alice"]).status == 402


def test_a_burst_is_let_in_as_far_as_the_budget_goes(
    engine: FakeEngine, start_gateway: Start, store_url: str, wait_for: Start
) -> None:
    """What runs counts with what it is expected to cost; who comes back gets the rest."""
    go = threading.Event()
    events = answer_events()
    engine.default = held([], go, events)
    keys = make_keys(store_url, alice=0.5)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(lambda: gateway.chat(keys["alice"], max_tokens=5, stream=True))
            for _ in range(20)
        ]
        wait_for(lambda: sum(each.done() for each in asked) == 15)
        go.set()
        statuses = [each.result().status for each in asked]
    assert (statuses.count(200), statuses.count(429)) == (5, 15)
    assert ask(gateway, keys["alice"]).status == 402


def test_what_was_not_served_costs_nothing(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """The engine's refusals and failures leave the budget whole."""
    engine.play(refusal(400, "no"), stream(answer_events()[:3], end=False))
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.1)
    gateway = start_gateway(store_url=store_url, prices=PRICES)
    gateway.wait_ready()
    statuses = [ask(gateway, keys["alice"]).status for _ in range(4)]
    assert statuses == [400, 502, 200, 402]


def test_a_model_without_a_price_ends_no_budget(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """Nothing is spent of it."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=0.01)
    gateway = start_gateway(store_url=store_url)
    gateway.wait_ready()
    assert [ask(gateway, keys["alice"]).status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("unknown", "status"), [("refuse", 503), ("allow", 200)])
def test_a_store_that_is_away_touches_keys_with_budgets_alone(
    engine: FakeEngine,
    start_gateway: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unknown: str,
    status: int,
    wait_for: Start,
) -> None:
    """The last reading holds for its time; then they are refused, or let in, as it is set."""
    for module in (spending, spending_account):
        monkeypatch.setattr(module, "KNOWN_SECONDS", 0.5)
    engine.default = whole(UNARY)
    url = f"sqlite:///{tmp_path}/serving.db"
    keys = make_keys(url, alice=100.0, bob=None)
    gateway = start_gateway(store_url=url, prices=PRICES, budget_unknown=unknown)
    gateway.wait_ready()
    assert ask(gateway, keys["alice"]).status == 200
    (tmp_path / "serving.db").rename(tmp_path / "elsewhere.db")
    time.sleep(0.6)
    answers = [ask(gateway, keys["alice"]) for _ in range(3)]
    assert {each.status for each in answers} == {status}
    assert ask(gateway, keys["bob"]).status == 200
    counted = gateway.metric('gateway_refusals_total{reason="budget_unknown"}')
    if unknown == "refuse":
        assert answers[0].error["code"] == "budget_unknown"
        assert answers[0].headers["retry-after"] == "5"
        assert "cannot be read at the moment" in answers[0].error["message"]
    assert counted == (3 if unknown == "refuse" else 0)
    (tmp_path / "elsewhere.db").rename(tmp_path / "serving.db")
    wait_for(lambda: ask(gateway, keys["alice"]).status == 200)


def test_without_a_ledger_no_budget_can_hold(
    engine: FakeEngine, start_gateway: Start, store_url: str
) -> None:
    """A key of the store is refused, and told why; the others know nothing of it."""
    engine.default = whole(UNARY)
    keys = make_keys(store_url, alice=1.0, bob=None)
    gateway = start_gateway(store_url=store_url, prices=PRICES, usage=False)
    gateway.wait_ready()
    refused = ask(gateway, keys["alice"])
    assert (refused.status, refused.error["code"]) == (503, "budget_unknown")
    assert "is not kept by this server" in refused.error["message"]
    assert ask(gateway, keys["bob"]).status == 200


def test_a_budget_in_the_file_without_a_ledger_does_not_start(
    tmp_path: Path, socket_path: Path
) -> None:
    """What stands in the settings contradicts itself; without the budget it starts."""
    path = tmp_path / "keys.yaml"
    entry = f"name: alice, digest: 'sha256:{digest(b'text').hex()}'"
    settings = settings_for(socket_path, usage=False, keys_file=path)
    path.write_text(f"keys: [{{{entry}, budget_usd: 1}}]")
    with pytest.raises(StartError, match=r"store\.usage is false, and the key alice") as caught:
        load_keys(settings)
    assert "take budget_usd out of the file" in caught.value.next_step
    path.write_text(f"keys: [{{{entry}}}]")
    load_keys(settings).close()


def test_two_gateways_share_a_budget(
    engine: FakeEngine, start_gateway: Start, postgres_url: str, wait_for: Start
) -> None:
    """What one has let in and written is spent for the other when it reads again."""
    engine.default = whole(UNARY)
    keys = make_keys(postgres_url, alice=0.5)
    one, other = (start_gateway(store_url=postgres_url, prices=PRICES) for _ in range(2))
    for gateway in (one, other):
        gateway.wait_ready()
    assert ask(other, keys["alice"]).status == 200
    assert [ask(one, keys["alice"]).status for _ in range(3)] == [200] * 3
    used = 'gateway_key_budget_used_ratio{key="alice"}'
    wait_for(lambda: other.metric(used) == pytest.approx(0.8))
    assert [ask(other, keys["alice"]).status for _ in range(2)] == [200, 402]
    wait_for(lambda: one.metric(used) == 1.0)
    assert ask(one, keys["alice"]).status == 402
