"""Closed lists of request fields, per dialect, seen from the engine's side."""

import pytest

from tests.fake_engine import UNARY, whole

OPENAI_CHAT_FIELDS = {
    "audio": {}, "frequency_penalty": 0, "function_call": "auto", "functions": [],
    "logit_bias": {}, "logprobs": False, "max_completion_tokens": 9, "max_tokens": 9,
    "metadata": {}, "modalities": ["text"], "moderation": {}, "n": 1, "parallel_tool_calls": True,
    "prediction": {}, "presence_penalty": 0, "prompt_cache_key": "k", "prompt_cache_options": {},
    "prompt_cache_retention": "24h", "reasoning_effort": "low", "response_format": {"type": "text"},
    "safety_identifier": "s", "seed": 1, "service_tier": "auto", "stop": "x", "store": True,
    "stream": False, "stream_options": None, "temperature": 0.5, "tool_choice": "auto", "tools": [],
    "top_logprobs": 0, "top_p": 0.5, "user": "u", "verbosity": "low", "web_search_options": {},
}  # fmt: skip
NEVER_OPEN = [
    "priority",
    "cache_salt",
    "chat_template",
    "chat_template_kwargs",
    "kv_transfer_params",
    "vllm_xargs",
    "ignore_eos",
    "mm_processor_kwargs",
]
PASSED_ON = {
    "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1, "temperature": 0.3, "top_p": 0.4,
    "structured_outputs": {"regex": "a+"}, "seed": 3, "stop": ["x"], "n": 1,
    "response_format": {"type": "json_object"}, "tools": [{"type": "function"}],
    "tool_choice": "required", "logit_bias": {"5": 1},
}  # fmt: skip


def test_every_field_of_openais_schema_is_accepted(engine, gateway):
    """A client may send all that OpenAI published."""
    engine.play(whole(UNARY))
    assert gateway.chat(**OPENAI_CHAT_FIELDS).status == 200


def test_sampling_fields_reach_the_engine_as_sent(engine, gateway):
    """OpenAI's and vLLM's sampling fields keep their values."""
    engine.play(whole(UNARY))
    gateway.chat(**PASSED_ON)
    sent = engine.last().json
    assert {name: sent[name] for name in PASSED_ON} == PASSED_ON


@pytest.mark.parametrize("name", [*NEVER_OPEN, "temprature", "foo"])
def test_v1_refuses_what_it_does_not_know(engine, gateway, name):
    """A closed or unknown field is 400 and named."""
    answer = gateway.chat(**{name: 1})
    assert (answer.status, answer.error["code"]) == (400, "unknown_parameter")
    assert answer.error["param"] == name
    assert not engine.requests


def test_a_misspelt_field_gets_the_nearest_name(gateway):
    """The message helps."""
    assert "'temperature'" in gateway.chat(temprature=1).error["message"]


@pytest.mark.parametrize("name", [*NEVER_OPEN, "transforms", "provider"])
def test_api_v1_ignores_what_it_does_not_know(engine, gateway, name):
    """OpenRouter's dialect drops unknown fields, and closed ones never get through."""
    engine.play(whole(UNARY))
    answer = gateway.chat(path="/api/v1/chat/completions", **{name: 1})
    assert answer.status == 200
    assert name not in engine.last().json


def test_null_counts_as_not_sent(engine, gateway):
    """A client library's null takes the default."""
    engine.play(whole(UNARY))
    gateway.chat(temperature=None, stop=None)
    sent = engine.last().json
    assert sent["temperature"] == 0.0
    assert "stop" not in sent


def test_unknown_fields_of_messages_and_parts_do_not_pass(engine, gateway):
    """vLLM's cache ids and other extras inside messages are dropped; history is kept."""
    part = {"type": "text", "text": "hi\u2028", "uuid": "steal", "cache_control": {}}
    history = {"role": "assistant", "content": None, "reasoning": "r", "annotations": []}
    engine.play(whole(UNARY))
    assert gateway.chat(messages=[{"role": "user", "content": [part]}, history]).status == 200
    assert engine.last().json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi\u2028"}]},
        {"role": "assistant", "content": None, "reasoning": "r"},
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"[]", None, id="list"),
        pytest.param(b'{"messages": [', None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param(b"{}", "messages", id="no messages"),
        pytest.param(b'{"messages": 3}', "messages", id="messages of a wrong kind"),
        pytest.param(b'{"messages": [{"content": "x"}]}', "messages", id="no role"),
        pytest.param(b'{"messages": [], "stream": "yes"}', "stream", id="stream no boolean"),
        pytest.param(b'{"messages": [], "model": 5}', "model", id="model no string"),
        pytest.param(b'{"messages": [], "max_tokens": "x"}', "max_tokens", id="limit no number"),
        pytest.param(
            b'{"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}',
            "messages[0].content",
            id="unknown part",
        ),
        pytest.param(
            b'{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
            "messages[0].content[0].image_url",
            id="picture without URL",
        ),
    ],
)
def test_malformed_bodies_are_400_naming_the_field(engine, gateway, body, param):
    """What cannot be read never reaches the engine."""
    answer = gateway.request("POST", "/v1/chat/completions", body)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert answer.error["type"] == "invalid_request_error"
    assert not engine.requests


def test_a_boolean_grammar_is_dropped(engine, gateway):
    """OpenRouter's structured_outputs flag is no grammar of vLLM's."""
    engine.play(whole(UNARY))
    gateway.chat(path="/api/v1/chat/completions", structured_outputs=True)
    assert "structured_outputs" not in engine.last().json
