"""The API port: routes, names, ids, keys and the books."""

import json

import pytest

from tests.fake_engine import MAX_MODEL_LEN, UNARY, delta_event, stream, whole


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_chat_whole_relays_the_engines_answer(engine, gateway, base):
    """A whole answer arrives byte for byte."""
    engine.play(whole(UNARY))
    answer = gateway.chat(path=f"{base}/chat/completions")
    assert (answer.status, answer.body) == (200, UNARY)
    assert answer.headers["content-type"] == "application/json"


def test_completions_are_relayed_with_openais_default_length(engine, gateway):
    """A completion request reaches the engine with its prompt and OpenAI's 16 tokens."""
    engine.play(whole(UNARY))
    answer = gateway.request("POST", "/v1/completions", b'{"prompt": "once"}')
    assert answer.status == 200
    sent = engine.last().json
    assert (engine.last().path, sent["prompt"], sent["max_tokens"]) == (
        "/v1/completions",
        "once",
        16,
    )
    assert "thinking_token_budget" not in sent


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_models_name_what_is_really_served(gateway, base):
    """The list holds one model, under its own id, with the engine's context length."""
    listed = gateway.request("GET", f"{base}/models").json
    shown = gateway.request("GET", f"{base}/models/qwen/qwen3-vl-8b-thinking").json
    assert [model["id"] for model in listed["data"]] == ["tiny-qwen3-vl"]
    assert listed["data"][0] == shown
    assert shown["max_model_len"] == MAX_MODEL_LEN


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/v1/nothing", 404, "unknown_url", id="unknown route"),
        pytest.param("GET", "/", 404, "unknown_url", id="root"),
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
    kinds = ("prompt", "completion", "reasoning", "cached")
    counts = [gateway.metric(f'gateway_tokens_total{{kind="{kind}"}}') for kind in kinds]
    assert counts == [11, 5, 3, 0]
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
