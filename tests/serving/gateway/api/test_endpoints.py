"""GET /api/v1/models/{author}/{slug}/endpoints: one endpoint, and how it does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openrouter.components import PublicEndpoint
from openrouter.operations import ListEndpointsResponse

from serving.gateway.performance import LEAST_FOR_PERCENTILES
from tests.fake_engine import MAX_MODEL_LEN, FakeEngine
from tests.serving.used import lost, record, write

Start = Callable[..., Any]
KEY = "a-key"
SLUG = "qwen/qwen3-vl-8b-thinking"
MODEL = "tiny-qwen3-vl"
UPTIMES = ("uptime_last_5m", "uptime_last_30m", "uptime_last_1d")


@pytest.fixture(name="store_url")
def _store_url(tmp_path: Path) -> str:
    """Return where the gateway keeps its ledger."""
    return f"sqlite:///{tmp_path}/store.db"


def get(gateway: Any, name: str = SLUG) -> Any:
    """Ask for a model's endpoints."""
    path = f"/api/v1/models/{name}/endpoints"
    return gateway.request("GET", path, headers={"authorization": f"Bearer {KEY}"})


def shown(gateway: Any) -> PublicEndpoint:
    """Return the one endpoint, read as OpenRouter's SDK does."""
    answer = get(gateway)
    assert answer.status == 200, answer.body
    [endpoint] = ListEndpointsResponse.model_validate_json(answer.body).data.endpoints
    return endpoint


def test_the_endpoint_is_this_server(engine: FakeEngine, start_gateway: Start) -> None:
    """Names, limits, prices and parameters are those of its card; nothing is known of no use."""
    gateway = start_gateway(prices={"prompt_price": 0.18, "completion_price": 2.1})
    gateway.wait_ready()
    card = gateway.request("GET", "/api/v1/models").json["data"][0]
    endpoint = shown(gateway)
    assert endpoint.status == 0
    assert endpoint.context_length == card["context_length"] == MAX_MODEL_LEN
    assert endpoint.max_completion_tokens == card["top_provider"]["max_completion_tokens"]
    assert (endpoint.pricing.prompt, endpoint.pricing.completion) == ("0.00000018", "0.0000021")
    assert endpoint.supported_parameters == card["supported_parameters"]
    assert [getattr(endpoint, name) for name in UPTIMES] == [None] * 3
    assert (endpoint.latency_last_30m, endpoint.throughput_last_30m) == (None, None)
    assert card["links"]["details"] == f"/api/v1/models/{MODEL}/endpoints"


@pytest.mark.parametrize("name", [MODEL, "tiny", SLUG, "Qwen/Qwen3-VL-8B-Thinking"])
def test_it_is_found_by_each_name(gateway: Any, name: str) -> None:
    """And always says what is really served."""
    assert get(gateway, name).json["data"]["id"] == MODEL


def test_another_model_has_none(gateway: Any) -> None:
    """404 names what there is."""
    refused = get(gateway, "openai/gpt-9")
    assert refused.status == 404
    assert refused.error["metadata"]["provider_code"] == "model_not_found"
    assert MODEL in refused.error["message"]


def test_openais_dialect_has_no_such_route(gateway: Any) -> None:
    """There it is a model of that name, and not there."""
    assert gateway.request("GET", f"/v1/models/{SLUG}/endpoints").error["code"] == "model_not_found"


def test_an_engine_that_is_not_there_is_told(start_gateway: Start) -> None:
    """By its status, with what is known without it."""
    endpoint = shown(start_gateway())
    assert (endpoint.status, endpoint.context_length) == (-1, 0)


def test_figures_are_those_of_the_ledger(start_gateway: Start, store_url: str) -> None:
    """Of this model, the last 30 minutes and day, and of what went well."""
    now = time.time()
    write(
        *(record(f"req_{n}", time=now - 600, first_token_seconds=n / 100) for n in range(1, 101)),
        *(record(f"req_f{n}", time=now - 7200, outcome="engine_error") for n in range(100)),
        *(record(f"req_r{n}", time=now - 600, outcome="rate_limited") for n in range(100)),
        *(record(f"req_m{n}", model="other", outcome="timeout") for n in range(100)),
        url=store_url,
    )
    endpoint = shown(start_gateway(store_url=store_url, api_keys=(KEY,)))
    assert [getattr(endpoint, name) for name in UPTIMES] == [None, 100.0, 50.0]
    latency, rate = endpoint.latency_last_30m, endpoint.throughput_last_30m
    assert (latency.p50, latency.p75, latency.p90, latency.p99) == (500, 750, 900, 990)
    assert rate.p50 == rate.p99 == pytest.approx(20 / 2.5)


def test_so_few_requests_tell_nothing(start_gateway: Start, store_url: str) -> None:
    """null, not a number that means nothing."""
    few = LEAST_FOR_PERCENTILES - 1
    write(*(record(f"req_{n}", first_token_seconds=1.0) for n in range(few)), url=store_url)
    endpoint = shown(start_gateway(store_url=store_url, api_keys=(KEY,)))
    assert [getattr(endpoint, name) for name in UPTIMES] == [None] * 3
    assert (endpoint.latency_last_30m, endpoint.throughput_last_30m) == (None, None)


def test_a_store_that_fails_leaves_the_rest(
    start_gateway: Start, store_url: str, tmp_path: Path
) -> None:
    """Prices and limits do not hang on it."""
    gateway = start_gateway(store_url=store_url, api_keys=(KEY,))
    with lost(tmp_path / "store.db"):
        endpoint = shown(gateway)
    assert endpoint.uptime_last_1d is None
    assert endpoint.pricing.prompt == "0"
