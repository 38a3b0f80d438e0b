"""Requests that cannot be read: each has its code, and a message that names the field."""

import json
from typing import Any

import pytest

from serving.gateway.api.chat import IGNORED
from serving.gateway.body import Body
from serving.gateway.chat_request import ChatRequest
from serving.gateway.dialect import DIALECTS, OPENAI, OPENROUTER, Dialect
from serving.gateway.errors import BadRequest
from serving.gateway.reading import NEVER_OPEN, read_request
from tests.fake_engine import UNARY, whole

HI = {"messages": [{"role": "user", "content": "hi"}]}
HI_BYTES = b'"messages":[{"role":"user","content":"hi"}]'
BOTH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.base)
# Every field of the schema that OpenAI publishes.
OPENAI_FIELDS: dict[str, Any] = {
    "audio": {}, "frequency_penalty": 0, "function_call": "auto", "functions": [],
    "logit_bias": {}, "logprobs": False, "max_completion_tokens": 9, "max_tokens": 9,
    "metadata": {}, "modalities": ["text"], "moderation": {}, "n": 1, "parallel_tool_calls": True,
    "prediction": {}, "presence_penalty": 0, "prompt_cache_key": "k", "prompt_cache_options": {},
    "prompt_cache_retention": "24h", "reasoning_effort": "low", "response_format": {"type": "text"},
    "safety_identifier": "s", "seed": 1, "service_tier": "auto", "stop": "x", "store": True,
    "stream": False, "stream_options": None, "temperature": 0.5, "tool_choice": "auto",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "top_logprobs": 0, "top_p": 0.5, "user": "u", "verbosity": "low", "web_search_options": {},
}  # fmt: skip


def read(body: bytes | dict[str, Any], dialect: Dialect = OPENAI) -> ChatRequest:
    """Read a chat request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_request(Body(data), ChatRequest, dialect, IGNORED)


def refusal(body: bytes | dict[str, Any], dialect: Dialect = OPENAI) -> BadRequest:
    """Return why a request is not read."""
    with pytest.raises(BadRequest) as caught:
        read(body, dialect)
    assert caught.value.status == 400
    return caught.value


def nested(opening: bytes, closing: bytes, depth: int = 100_000) -> bytes:
    """Return JSON of some depth in an unknown field."""
    return b'{%s,"user_data":%s1%s}' % (HI_BYTES, opening * depth, closing * depth)


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"   ", id="blank"),
        pytest.param(b'{"messages": [', id="cut"),
        pytest.param(b"{%s} x" % HI_BYTES, id="something after it"),
        pytest.param(b"\xef\xbb\xbf{%s}" % HI_BYTES, id="byte order mark"),
        pytest.param(b"{%s,}" % HI_BYTES, id="trailing comma"),
        pytest.param(b"{%s,'a':1}" % HI_BYTES, id="single quotes"),
        pytest.param(b'{%s,"temperature":NaN}' % HI_BYTES, id="not a number"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"messages":[{"role":"user","content":"\xff"}]}', id="no UTF-8"),
        pytest.param(b'{%s,"\xff":1}' % HI_BYTES, id="no UTF-8 in a name"),
        pytest.param(b'{%s,"user":"\\ud800"}' % HI_BYTES, id="half a surrogate pair"),
        pytest.param(nested(b"[", b"]"), id="deep lists"),
        pytest.param(nested(b'{"a":', b"}"), id="deep objects"),
    ],
)
def test_what_is_no_json_is_told_so(dialect, body):
    """No field can be named where nothing could be read."""
    error = refusal(body, dialect)
    assert (error.code, error.param) == ("invalid_json", None)
    assert "not valid JSON" in error.message
    assert not any(word in error.message for word in ("codec", "recursion"))


@BOTH
@pytest.mark.parametrize(
    ("change", "param", "said"),
    [
        ({"messages": 3}, "messages", "array"),
        ({"messages": None}, "messages", "array"),
        ({"messages": []}, "messages", "length >= 1"),
        ({"messages": ["hi"]}, "messages[0]", "object"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role", "developer"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "int"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "null"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
            "'input_audio'. Use one of text, image_url, video_url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
            "object",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": 1}}]}]},
            "messages[0].tool_calls[0].function.name",
            "str",
        ),
        ({"stream": "yes"}, "stream", "bool"),
        ({"model": 5}, "model", "str"),
        ({"max_tokens": "many"}, "max_tokens", "int"),
        ({"max_tokens": 0}, "max_tokens", ">= 1"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", "int"),
        ({"n": 9}, "n", "<= 8"),
        ({"n": 0}, "n", ">= 1"),
        ({"temperature": 3}, "temperature", "<= 2"),
        ({"temperature": -1}, "temperature", ">= 0"),
        ({"top_p": 1.1}, "top_p", "<= 1"),
        ({"top_k": -2}, "top_k", ">= -1"),
        ({"min_p": 2}, "min_p", "<= 1"),
        ({"presence_penalty": 2.5}, "presence_penalty", "<= 2"),
        ({"repetition_penalty": 0}, "repetition_penalty", "> 0"),
        ({"seed": 2**63}, "seed", "<= 9223372036854775807"),
        ({"stop": ["x"] * 17}, "stop", "length <= 16"),
        ({"stop": [""]}, "stop[0]", "length >= 1"),
        ({"logit_bias": {"5": 101}}, "logit_bias[...]", "<= 100"),
        ({"top_logprobs": 21}, "top_logprobs", "<= 20"),
        ({"thinking_token_budget": -2}, "thinking_token_budget", ">= -1"),
        ({"reasoning": "high"}, "reasoning", "object"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "minimal"),
        ({"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens", ">= 0"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "huge"),
        ({"response_format": {"type": "grammar"}}, "response_format.type", "json_object"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 1}}},
            "response_format.json_schema.schema",
            "object",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
            "regex",
        ),
        ({"tool_choice": "sometimes"}, "tool_choice", "sometimes"),
        ({"metadata": {"a": 5}}, "metadata[...]", "str"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "length <= 16"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "bool"),
        ({"user": "x" * 9, "metadata": "y" * 9}, "metadata", "object"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_named_with_its_limit(dialect, change, param, said):
    """The field, where it stands, and what would be right."""
    error = refusal(HI | change, dialect)
    assert (error.code, error.param) == ("invalid_value", param)
    assert f"'{param}'" in error.message
    assert said in error.message


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {}}, "response_format.type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_missing_field_is_named(change, param):
    """So is the place it is missing from."""
    error = refusal(HI | change)
    assert (error.code, error.param) == ("missing_parameter", param)
    assert refusal({"model": "m"}).param == "messages"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5"])
def test_a_body_that_is_no_object_is_told_so(body):
    """It is JSON, but no request."""
    error = refusal(body)
    assert (error.code, error.param) == ("invalid_value", None)
    assert "object" in error.message


@pytest.mark.parametrize("name", [*sorted(NEVER_OPEN), "temprature", "foo", "x" * 1000])
def test_v1_refuses_what_it_does_not_know(name):
    """A closed or unknown field is named."""
    error = refusal(HI | {name: 1})
    assert error.code == "unknown_parameter"
    assert name.startswith(str(error.param).rstrip("…"))
    assert len(error.message) < 300


def test_a_misspelt_field_gets_the_nearest_name():
    """The message helps; a closed field is not called a mistake."""
    assert "'temperature'" in refusal(HI | {"temprature": 1}).message
    assert "does not open" in refusal(HI | {"cache_salt": "x"}).message


def test_api_v1_drops_what_it_does_not_know():
    """Unless the client requires that all its parameters count."""
    odd = HI | {"temprature": 1, "cache_salt": "x", "transforms": []}
    assert read(odd, OPENROUTER).temperature is None
    assert read(odd | {"provider": {"require_parameters": False}}, OPENROUTER)
    error = refusal(odd | {"provider": {"require_parameters": True}}, OPENROUTER)
    assert (error.code, error.param) == ("unknown_parameter", "cache_salt")
    assert read(HI | {"provider": {"require_parameters": True}, "top_k": 5}, OPENROUTER).top_k == 5


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"models": ["a", "b"]}, "models"),
        ({"provider": {"order": ["a"]}}, "provider"),
        ({"provider": {"require_parameters": True, "zdr": True}}, "provider"),
        ({"provider": {"require_parameters": "yes"}}, "provider"),
        ({"provider": "a"}, "provider"),
    ],
    ids=str,
)
def test_what_only_a_router_could_do_is_told_so(change, param):
    """A client that asks for routing must not believe that it got some."""
    error = refusal(HI | change, OPENROUTER)
    assert (error.code, error.param) == ("unsupported_parameter", param)
    assert refusal(HI | change, OPENAI).code == "unknown_parameter"


@BOTH
def test_null_counts_as_not_sent(dialect):
    """For every field, known, ignored, closed or unknown."""
    names = {*ChatRequest.__struct_fields__, *IGNORED, *NEVER_OPEN, "models", "provider", "foo"}
    request = read(dict.fromkeys(names) | HI, dialect)
    assert request.engine_fields() == {}


def test_every_field_of_openais_schema_is_accepted():
    """A client may send all that OpenAI published."""
    assert read(HI | OPENAI_FIELDS).temperature == 0.5


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_an_integer_that_the_engine_cannot_hold_is_named(engine, gateway, number):
    """Wherever it stands in a schema; text with as many digits is no number."""
    tool = {"function": {"name": "f", "parameters": {"anyOf": [{}, {"maximum": number}]}}}
    answer = gateway.chat(tools=[tool])
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert answer.error["param"] == "tools[0].function.parameters.anyOf[1].maximum"
    assert not engine.requests
    engine.play(whole(UNARY))
    assert gateway.chat(messages=[{"role": "user", "content": str(number)}]).status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/chat/completions"])
@pytest.mark.parametrize("depth", [10, 400, *range(900, 1001, 7)])
def test_nesting_is_never_a_fault_of_ours(engine, gateway, path, depth):
    """What is too deep to be read, or to be written again, is the client's mistake."""
    engine.play(whole(UNARY))
    schema = b'{"a":' * depth + b"1" + b"}" * depth
    tool = b'{"type":"function","function":{"name":"f","parameters":%s}}' % schema
    answer = gateway.request("POST", path, b'{%s,"tools":[%s]}' % (HI_BYTES, tool))
    assert answer.status in ({200} if depth < 500 else {200, 400})


@BOTH
@pytest.mark.parametrize(
    "text", ["b" * 5000, "data:;base64," + "QUJD" * 5000], ids=["plain", "cut"]
)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(lambda text: {"stop": text}, id="stop"),
        pytest.param(lambda text: {"stop": ["a", text]}, id="stops"),
        pytest.param(lambda text: {"bad_words": [text]}, id="bad_words"),
        pytest.param(lambda text: {"metadata": {"a": text}}, id="metadata"),
    ],
)
def test_short_texts_are_short_whatever_they_look_like(dialect, fields, text):
    """What looks like a picture is cut out before it is measured, and is measured all the same."""
    sent = fields(text)
    error = refusal(HI | sent, dialect)
    assert error.code == "invalid_value"
    assert str(error.param).startswith(next(iter(sent)))
