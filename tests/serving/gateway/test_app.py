"""The API port: routes, names, ids, keys and the books."""

import json
import re

import pytest

from tests.fake_engine import UNARY, answer_events, delta_event, stream, whole

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("path", ["/v1", "/api/v1"])
@pytest.mark.parametrize("alias", [True, False])
def test_a_whole_answer_says_what_the_engine_said(engine, start_gateway, path, alias):
    """Thought, answer and counts; the thought's older name only where it is switched on."""
    gateway = start_gateway(reasoning_content=alias)
    engine.play(whole(UNARY))
    answer = gateway.chat(path=f"{path}/chat/completions")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    message = answer.json["choices"][0]["message"]
    assert (message["reasoning"], message["content"]) == ("hm", "red")
    assert message.get("reasoning_content") == ("hm" if alias else None)
    assert ("reasoning_content" in message) is alias
    assert answer.json["usage"]["completion_tokens"] == 5
    assert ("cost" in answer.json["usage"]) is (path == "/api/v1")


@pytest.mark.parametrize(
    ("path", "own"), [("/v1/chat/completions", "chatcmpl"), ("/v1/completions", "cmpl"),
                      ("/api/v1/chat/completions", "gen"), ("/api/v1/completions", "gen")],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [True, False])
def test_an_answers_id_is_made_of_the_requests(engine, gateway, path, own, streamed):
    """In body and header, whole and streamed, never the engine's."""
    engine.play(stream(answer_events()) if streamed else whole(UNARY))
    question = {"messages": HI} if "/chat/" in path else {"prompt": "hi"}
    answer = gateway.request("POST", path, json.dumps(question | {"stream": streamed}).encode())
    own_id = f"{own}-{answer.headers['x-request-id'].removeprefix('req_')}"
    ids = re.findall(rb'\{"id":"([^"]+)"', answer.body)
    assert set(ids) == {own_id.encode()}
    assert answer.headers.get("x-generation-id") == (own_id if own == "gen" else None)


@pytest.mark.parametrize(
    ("path", "code"), [("/v1/chat/completions", "invalid_value"), ("/api/v1/chat/completions", 400)]
)
def test_errors_have_the_dialects_form(gateway, path, code):
    """OpenAI's code is a word, OpenRouter's the status."""
    answer = gateway.chat(path=path, temperature=9)
    assert (answer.status, answer.error["code"]) == (400, code)
    assert "temperature" in answer.error["message"]


def test_completions_are_relayed_with_openais_default_length(engine, gateway):
    """A completion request reaches the engine with its prompt and OpenAI's 16 tokens."""
    engine.play(whole(UNARY))
    answer = gateway.request("POST", "/v1/completions", b'{"prompt": "once", "stop": "x"}')
    assert answer.status == 200
    assert engine.last().path == "/v1/completions"
    assert engine.last().json == {
        "prompt": "once", "max_tokens": 16, "stop": "x", "temperature": 0.0, "stream": False,
        "model": "tiny-qwen3-vl",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/v1/nothing", 404, "unknown_url", id="unknown route"),
        pytest.param("GET", "/v1/chat/completions", 405, "method_not_allowed", id="wrong method"),
        pytest.param("POST", "/v1/models", 405, "method_not_allowed", id="post to models"),
        pytest.param("GET", "/v1/models/gpt-9", 404, "model_not_found", id="unknown model"),
        pytest.param("GET", "/metrics", 404, "unknown_url", id="metrics are not public"),
    ],
)
def test_wrong_addresses_are_refused_in_openais_form(gateway, method, path, status, code):
    """A wrong path or method gets OpenAI's error object."""
    answer = gateway.request(method, path)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error.keys() == {"message", "type", "param", "code"}


def test_wrong_method_names_the_right_one(gateway):
    """405 carries Allow."""
    assert gateway.request("GET", "/v1/completions").headers["allow"] == "POST"


def test_aliases_reach_the_engine_as_the_served_model(engine, gateway):
    """A client may use the hosted slug; the engine is asked for its own model."""
    engine.play(whole(UNARY))
    assert gateway.chat(model="qwen/qwen3-vl-8b-thinking").json["model"] == "tiny-qwen3-vl"
    assert engine.last().json["model"] == "tiny-qwen3-vl"


def test_unknown_model_names_the_served_one(gateway):
    """404 says what there is."""
    answer = gateway.chat(model="gpt-9")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert "tiny-qwen3-vl" in answer.error["message"]


def test_the_request_id_is_kept_returned_and_sent_on(engine, gateway):
    """A well-formed id is the client's own on the whole way."""
    engine.play(whole(UNARY))
    answer = gateway.chat(headers={"X-Request-Id": "abc-1.2_3"})
    assert answer.headers["x-request-id"] == engine.last().headers["x-request-id"] == "abc-1.2_3"


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "ü", 'a"b'])
def test_a_bad_request_id_is_replaced(gateway, offered):
    """What is no id is not passed on."""
    answer = gateway.chat(headers={"X-Request-Id": offered.encode().decode("latin-1")}, model="no")
    assert answer.headers["x-request-id"].startswith("req_")


def test_client_headers_do_not_reach_the_engine(engine, gateway):
    """Only headers of the gateway's own making go upstream."""
    engine.play(whole(UNARY))
    gateway.chat(headers={"X-Vllm-Priority": "-1", "Authorization": "Bearer s", "Cookie": "c"})
    assert engine.last().headers.keys() <= {
        "host", "accept", "accept-encoding", "user-agent", "connection",
        "content-type", "content-length", "x-request-id",
    }  # fmt: skip


class TestKeys:
    """Bearer keys at the door."""

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            pytest.param(None, 401, id="none"),
            pytest.param("Bearer wrong", 401, id="wrong"),
            pytest.param("Bearer", 401, id="empty"),
            pytest.param("Basic good-1", 401, id="other scheme"),
            pytest.param("Bearer good-1", 200, id="first"),
            pytest.param("bearer good-2", 200, id="second, scheme in lower case"),
        ],
    )
    def test_only_known_keys_are_let_in(self, engine, start_gateway, authorization, status):
        """Every key of the list opens, nothing else does."""
        gateway = start_gateway(api_keys=("good-1", "good-2"))
        headers = {"Authorization": authorization} if authorization is not None else {}
        answer = gateway.request("GET", "/v1/models", headers=headers)
        assert answer.status == status
        if status == 401:
            assert answer.error["code"] == "invalid_api_key"


def test_metrics_count_requests_tokens_and_first_tokens(engine, start_gateway, wait_for):
    """One streamed answer shows in every metric."""
    gateway = start_gateway()
    gateway.chat(stream=True)
    gateway.chat(model="no")
    wait_for(lambda: gateway.metric("gateway_requests_running") == 0)
    route = 'route="chat_completions"'
    assert gateway.metric(f'gateway_requests_total{{outcome="ok",{route}}}') == 1
    assert gateway.metric(f'gateway_requests_total{{outcome="client_error",{route}}}') == 1
    assert gateway.metric(f"gateway_time_to_first_token_seconds_count{{{route}}}") == 1
    assert gateway.metric(f"gateway_time_to_first_answer_token_seconds_count{{{route}}}") == 1
    assert gateway.metric(f"gateway_request_duration_seconds_count{{{route}}}") == 2
    kinds = ("prompt", "reasoning", "answer", "cached")
    counts = [gateway.metric(f'gateway_tokens_total{{kind="{kind}"}}') for kind in kinds]
    assert counts == [11, 3, 2, 0]
    assert gateway.metric("gateway_requests_running") == 0


def test_logs_hold_no_text_of_a_request_at_any_level(engine, start_gateway, wait_for, caplog):
    """A canary in prompt, picture, answer, header and key shows up in no log line."""
    caplog.set_level("DEBUG")
    gateway = start_gateway()
    canary = "canary7391"
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{canary}"}}
    engine.play(stream([delta_event(content=canary)], end=False))
    headers = {"Authorization": f"Bearer {canary}", "X-Custom": canary}
    gateway.chat(headers, stream=True, messages=[{"role": "user", "content": canary}])
    gateway.chat(headers, messages=[{"role": "user", "content": [picture]}])
    gateway.chat(headers, **{canary: 1})
    gateway.chat(headers, model=canary)
    wait_for(lambda: gateway.metric("gateway_request_duration_seconds_count") == 4)
    lines = [record for record in caplog.records if record.name == "serving.gateway.access"]
    assert [record.outcome for record in lines] == ["engine_error"] + ["client_error"] * 3
    assert canary not in json.dumps([vars(record) for record in caplog.records], default=repr)
