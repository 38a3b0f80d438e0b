"""GET /api/v1/generation: a key's own requests, right after they have ended."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openrouter.components import GenerationResponse, GenerationResponseData

from serving import request_desk, usage_report
from tests.fake_engine import UNARY, FakeEngine, answer_events, held, refusal, stream, whole
from tests.serving.used import USUAL, lost, record, write

Start = Callable[..., Any]
OPENROUTER = "/api/v1/chat/completions"
PRICES = {"prompt_price": 1000.0, "completion_price": 2000.0}
KEY, OTHER = "first-key", "second-key"


@pytest.fixture(name="store_url")
def _store_url(tmp_path: Path) -> str:
    """Return where the gateway keeps its ledger."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(name="keeping")
def _keeping(engine: FakeEngine, start_gateway: Start, store_url: str) -> Any:
    """Return a gateway with prices that keeps usage of two keys, before a ready engine."""
    assert engine.socket_path.exists()
    gateway = start_gateway(store_url=store_url, api_keys=(KEY, OTHER), prices=PRICES)
    gateway.wait_ready()
    return gateway


def get(gateway: Any, query: str, key: str = KEY) -> Any:
    """Ask for a generation with a key."""
    headers = {"authorization": f"Bearer {key}"}
    return gateway.request("GET", f"/api/v1/generation{query}", headers=headers)


def ask(gateway: Any, path: str = OPENROUTER, request_id: str = "", **fields: Any) -> Any:
    """Ask a chat question with the first key."""
    headers = {"authorization": f"Bearer {KEY}", "X-Title": "Shop", "HTTP-Referer": "https://a.b"}
    if request_id:
        headers["X-Request-Id"] = request_id
    return gateway.chat(headers, path, **fields)


def parsed(answer: Any) -> GenerationResponseData:
    """Read an answer as OpenRouter's SDK does."""
    assert answer.status == 200, answer.body
    return GenerationResponse.model_validate_json(answer.body).data


def test_a_stream_is_told_right_after_its_end(keeping: Any, engine: FakeEngine) -> None:
    """Tokens, cost and times are those of the answer, whichever id it is asked for by."""
    engine.play(*(stream(answer_events()) for _ in range(10)))
    for _ in range(10):
        answer = ask(keeping, stream=True, user="u-1")
        shown = answer.headers["x-generation-id"]
        told = parsed(get(keeping, f"?id={shown}"))
        assert (told.id, told.request_id) == (shown, answer.headers["x-request-id"])
    assert parsed(get(keeping, f"?id={told.request_id}")) == told
    tokens = (told.tokens_prompt, told.tokens_completion, told.native_tokens_reasoning)
    assert tokens == (11, 5, 3)
    assert told.total_cost == told.usage == pytest.approx(11 * 0.001 + 5 * 0.002)
    assert (told.streamed, told.cancelled, told.is_byok) == (True, False, False)
    assert (told.finish_reason, told.native_finish_reason) == ("stop", "stop")
    assert (told.http_referer, told.external_user) == ("https://a.b", "u-1")
    assert told.model == "tiny-qwen3-vl"
    assert 0 <= told.generation_time <= told.latency
    age = time.time() - datetime.fromisoformat(told.created_at).timestamp()
    assert told.latency / 1000 <= age + 1


@pytest.mark.parametrize(
    ("path", "start"),
    [("/v1/chat/completions", "chatcmpl-"), (OPENROUTER, "gen-")],
    ids=["openai", "openrouter"],
)
def test_a_whole_answer_is_told_by_its_id(
    keeping: Any, engine: FakeEngine, path: str, start: str
) -> None:
    """Of both dialects, in OpenRouter's."""
    engine.play(whole(UNARY))
    answer = ask(keeping, path)
    assert answer.json["id"].startswith(start)
    told = parsed(get(keeping, f"?id={answer.json['id']}"))
    assert (told.streamed, told.tokens_completion) == (False, 5)
    assert told.id.startswith("gen-")


def test_an_id_that_the_client_chose(keeping: Any) -> None:
    """X-Request-Id is kept as it came; of one that was used twice the last request is told."""
    for user in ("first", "last"):
        ask(keeping, request_id="mine", user=user)
    assert parsed(get(keeping, "?id=gen-mine")) == parsed(get(keeping, "?id=mine"))
    assert parsed(get(keeping, "?id=mine")).external_user == "last"


def test_others_requests_are_not_there(keeping: Any) -> None:
    """They are answered as those that never were: nobody learns what another key has asked."""
    shown = ask(keeping, stream=True).headers["x-generation-id"]
    absent = shown.replace("gen-", "gen-f")
    refused, missing = (get(keeping, f"?id={each}", OTHER) for each in (shown, absent))
    assert refused.status == missing.status == 404
    assert refused.error["metadata"]["provider_code"] == "generation_not_found"
    assert str(refused.error).replace(shown, absent) == str(missing.error)
    assert get(keeping, f"?id={shown}").status == 200


def test_a_request_that_was_refused_has_no_generation(keeping: Any, engine: FakeEngine) -> None:
    """One that never came to the engine; one that the engine refused has."""
    early = ask(keeping, request_id="early", messages=[])
    engine.play(refusal(400, "no"))
    late = ask(keeping, request_id="late")
    assert early.status == late.status == 400
    assert get(keeping, "?id=early").status == 404
    assert parsed(get(keeping, "?id=late")).total_cost == 0


def test_a_running_request_is_told_once_it_has_ended(keeping: Any, engine: FakeEngine) -> None:
    """Until then there is nothing to tell."""
    go, events = threading.Event(), answer_events()
    engine.play(held(events[:3], go, events[3:]))
    asked = threading.Thread(target=lambda: ask(keeping, request_id="runs", stream=True))
    asked.start()
    try:
        assert get(keeping, "?id=runs").status == 404
    finally:
        go.set()
        asked.join()
    assert parsed(get(keeping, "?id=runs")).tokens_completion == 5


def test_one_whose_client_left_is_cancelled(
    keeping: Any, engine: FakeEngine, wait_for: Callable[..., None]
) -> None:
    """What it got is counted, and its price."""
    go, events = threading.Event(), answer_events()
    engine.play(held(events[:4], go, events[4:]))
    connection = keeping.connect()
    headers = {"authorization": f"Bearer {KEY}", "X-Request-Id": "left"}
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    connection.request("POST", OPENROUTER, json.dumps(body), headers)
    connection.getresponse().read(10)
    connection.close()
    wait_for(lambda: get(keeping, "?id=left").status == 200)
    go.set()
    told = parsed(get(keeping, "?id=left"))
    assert told.cancelled
    assert told.total_cost > 0


def test_all_of_a_record_is_told(start_gateway: Start, store_url: str) -> None:
    """What another gateway has written, field by field."""
    an_hour_ago = float(round(time.time()) - 3600)
    asked = record(
        "req_9",
        time=an_hour_ago,
        key_id="settings:key-1",
        model="other",
        images=2,
        videos=1,
        cached_tokens=64,
        finish_reason="abort",
        outcome="client_gone",
        streamed=False,
        cost=0.25,
    )
    write(asked, url=store_url)
    told = parsed(get(start_gateway(store_url=store_url, api_keys=(KEY,)), "?id=gen-9"))
    assert datetime.fromisoformat(told.created_at).timestamp() == an_hour_ago
    assert told.created_at.endswith("+00:00")
    assert (told.model, told.origin, told.http_referer) == ("other", "", None)
    assert (told.num_media_prompt, told.native_tokens_cached) == (3, 64)
    assert (told.tokens_prompt, told.tokens_completion) == (100, 20)
    assert (told.finish_reason, told.native_finish_reason) == ("error", "abort")
    assert (told.streamed, told.cancelled, told.total_cost) == (False, True, 0.25)
    assert told.latency == pytest.approx(1000 * sum(USUAL.values()))
    assert told.generation_time == pytest.approx(2000)


def test_an_id_is_needed(keeping: Any) -> None:
    """400 says what the query takes."""
    for query, code in (
        ("", "missing_parameter"),
        ("?id=", "missing_parameter"),
        ("?ID=gen-1", "missing_parameter"),
        (f"?id={'x' * 129}", "invalid_value"),
    ):
        refused = get(keeping, query)
        assert refused.status == 400, query
        assert refused.error["metadata"] == {
            "error_type": "invalid_request",
            "provider_code": code,
            "param": "id",
        }


def test_an_odd_id_is_not_found(keeping: Any) -> None:
    """It is a value for the store, nothing else."""
    for text in ("%00", "%ff", "%F0%9F%98%80", "'%20OR%201=1--", "%25", "a%0D"):
        assert get(keeping, f"?id={text}").status == 404, text


def test_who_may_ask_and_how(keeping: Any) -> None:
    """A key is needed; it is OpenRouter's route; HEAD is GET without its body."""
    shown = ask(keeping, stream=True).headers["x-generation-id"]
    assert get(keeping, f"?id={shown}", "third").status == 401
    headers = {"authorization": f"Bearer {KEY}"}
    elsewhere = keeping.request("GET", f"/v1/generation?id={shown}", headers=headers)
    assert (elsewhere.status, elsewhere.error["code"]) == (404, "unknown_url")
    path = f"/api/v1/generation?id={shown}"
    head = keeping.request("HEAD", path, headers=headers)
    assert (head.status, head.body) == (200, b"")
    assert keeping.request("POST", path, b"{}", headers=headers).status == 405


def test_commands_beside_the_gateway_tell_the_same(
    keeping: Any, store_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """`serving request` and `serving usage` read the store of a gateway that runs."""
    monkeypatch.setenv("SERVING_STORE__URL", store_url)
    shown = ask(keeping, stream=True).headers["x-generation-id"]
    told = parsed(get(keeping, f"?id={shown}"))
    assert request_desk.run(None, shown, as_json=True) == 0
    story = json.loads(capsys.readouterr().out)
    took = sum(part["ms"] for part in story["parts"])
    assert took == pytest.approx(told.latency, abs=0.1)
    assert story["request"]["app"] == "Shop"
    asked = usage_report.Asked(by="key,app", since="1d", until="today")
    assert usage_report.run(None, asked, "json") == 0
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert (row["key"], row["app"], row["requests"]) == ("key-1", "Shop", 1)
    assert row["cost_usd"] == told.total_cost


def test_a_server_that_keeps_no_usage_says_so(start_gateway: Start, store_url: str) -> None:
    """By the setting's name."""
    gateway = start_gateway(store_url=store_url, usage=False, api_keys=(KEY,))
    refused = get(gateway, "?id=gen-1")
    assert refused.status == 404
    assert refused.error["metadata"]["provider_code"] == "usage_not_kept"
    assert "store.usage" in refused.error["message"]


def test_a_store_that_fails_is_503(keeping: Any, tmp_path: Path) -> None:
    """It is not said that there is no such request; answers go on."""
    shown = ask(keeping, stream=True).headers["x-generation-id"]
    assert get(keeping, f"?id={shown}").status == 200
    with lost(tmp_path / "store.db"):
        failed = get(keeping, f"?id={shown}")
        assert failed.status == 503
        assert failed.error["metadata"]["provider_code"] == "store_unavailable"
        assert "retry-after" in failed.headers
        assert ask(keeping, stream=True).status == 200
