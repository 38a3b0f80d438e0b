"""From a request to the engine's: what it is asked, and when a prompt is counted first."""

import json
import threading
import tracemalloc

import pytest

from serving.gateway import exchange
from serving.gateway.chat_request import ChatRequest
from tests.fake_engine import (
    DONE,
    MAX_MODEL_LEN,
    UNARY,
    WAIT_SECONDS,
    answer_events,
    counted,
    delta_event,
    event,
    held,
    refusal,
    stream,
    whole,
)

# The engine's closed list: nothing else may ever stand in a request to it.
ENGINE_FIELDS = {
    "model", "messages", "max_tokens", "stream", "stream_options", "thinking_token_budget",
    "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
    "repetition_penalty", "logit_bias", "seed", "n", "stop", "min_tokens", "stop_token_ids",
    "include_stop_str_in_output", "skip_special_tokens", "allowed_token_ids", "bad_words",
    "repetition_detection", "return_token_ids", "return_tokens_as_token_ids",
    "structured_outputs", "response_format", "tools", "tool_choice", "parallel_tool_calls",
    "logprobs", "top_logprobs",
}  # fmt: skip
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
EVERYTHING = {
    "reasoning": {"effort": "low", "exclude": True}, "include_reasoning": False, "user": "u",
    "max_completion_tokens": 900, "metadata": {"a": "b"}, "store": True, "service_tier": "auto",
    "temperature": 0.3, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1, "seed": 3,
    "logit_bias": {"5": 1}, "n": 2, "stop": ["x"], "return_token_ids": True, "logprobs": True,
    "top_logprobs": 2, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "structured_outputs": True, "include_stop_str_in_output": True, "cache_control": {},
}  # fmt: skip
USAGE = {"prompt_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 1}}
READ = tracemalloc.Filter(True, exchange.__file__)
BOTH = pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/chat/completions"])


@BOTH
@pytest.mark.parametrize("streamed", [True, False])
def test_the_engine_gets_known_fields_alone(engine, gateway, path, streamed):
    """Whatever a client sends, nothing that is not on the list passes."""
    engine.play(stream(answer_events()))
    answer = gateway.chat(path=path, stream=streamed, **EVERYTHING)
    assert answer.status == 200
    sent = engine.last().json
    assert sent.keys() <= ENGINE_FIELDS
    assert sent["messages"] == [{"role": "user", "content": "hi"}]


def test_a_thought_is_always_asked_for(engine, gateway):
    """What hides it is done here: `include_reasoning` would let a schema end the thought."""
    engine.play(stream(answer_events()))
    gateway.chat(**EVERYTHING)
    sent = engine.last().json
    assert not {"include_reasoning", "reasoning", "reasoning_effort"} & sent.keys()
    assert "return_token_ids" not in sent


def test_formats_tools_and_choices_pass_as_they_are(engine, gateway):
    """What steers the answer's form reaches the engine with its values."""
    engine.play(whole(UNARY))
    passed = {
        name: EVERYTHING[name]
        for name in ("tools", "tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs")
    }
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    formats = {"response_format": {"type": "json_schema", "json_schema": schema}}
    gateway.chat(**passed, **formats)
    sent = engine.last().json
    function = passed["tools"][0]["function"] | {"strict": True}
    passed["tools"] = [{"type": "function", "function": function}]
    assert {name: sent[name] for name in passed | formats} == passed | formats


@pytest.mark.parametrize(
    ("choice", "strict", "sent"),
    [
        pytest.param("required", None, True, id="a call that must come keeps its schema"),
        pytest.param("required", False, False, id="unless the client says otherwise"),
        pytest.param("auto", None, None, id="a call that may come is the model's own"),
    ],
)
def test_a_forced_call_keeps_its_schema(engine, gateway, choice, strict, sent):
    """Without `strict` the engine takes any JSON for the arguments of a forced call."""
    engine.play(whole(UNARY))
    function = {"name": "f", "parameters": {"type": "object"}, "strict": strict}
    gateway.chat(tools=[{"type": "function", "function": function}], tool_choice=choice)
    assert engine.last().json["tools"][0]["function"].get("strict") is sent


@pytest.mark.parametrize("flag", [True, False])
def test_a_boolean_grammar_is_dropped(engine, gateway, flag):
    """OpenRouter's structured_outputs flag is no grammar of vLLM's."""
    engine.play(whole(UNARY), whole(UNARY))
    gateway.chat(path="/api/v1/chat/completions", structured_outputs=flag)
    assert "structured_outputs" not in engine.last().json
    gateway.chat(structured_outputs={"regex": "a+"})
    assert engine.last().json["structured_outputs"] == {"regex": "a+"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param(
            {"tools": [{"function": {"name": "f", "parameters": {"maximum": 2**64}}}]},
            "tools[0].function.parameters.maximum",
            id="tool",
        ),
        pytest.param(
            {"structured_outputs": {"json": {"enum": [1, -(2**63) - 1]}}},
            "structured_outputs.json.enum[1]",
            id="grammar",
        ),
    ],
)
def test_a_number_that_the_engine_cannot_hold_is_named(engine, gateway, fields, param):
    """It would fail there without a word; the longest it can hold, and digits in a text, pass."""
    answer = gateway.chat(**fields)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert "64 bits" in answer.error["message"]
    engine.play(whole(UNARY))
    tool = {"function": {"name": "f", "parameters": {"maximum": 2**64 - 1, "minimum": -(2**63)}}}
    text = [{"role": "user", "content": "9" * 40}]
    assert gateway.chat(messages=text, tools=[tool]).status == 200


def test_deeply_nested_json_is_served_or_refused(engine, gateway):
    """Somewhere it is too deep to be read, or to be written again: the client's fault, not ours."""
    statuses = []
    for depth in range(900, 1100, 4):
        schema = b'{"a":' * depth + b"1" + b"}" * depth
        tool = b'{"function":{"name":"f","parameters":%s}}' % schema
        body = b'{"messages":[{"role":"user","content":"hi"}],"tools":[%s]}' % tool
        engine.reset()
        engine.play(whole(UNARY))
        statuses.append(gateway.request("POST", "/v1/chat/completions", body).status)
    assert set(statuses) == {200, 400}


def test_the_models_sampling_is_sent_where_the_client_says_nothing(engine, gateway):
    """The tiny model answers greedily by default; a client's own value stands, null is none."""
    engine.play(*[whole(UNARY)] * 3)
    gateway.chat()
    gateway.chat(temperature=0.9)
    gateway.chat(temperature=None)
    assert [request.json["temperature"] for request in engine.requests] == [0.0, 0.9, 0.0]


def test_the_budget_leaves_the_opening_line_out(engine, gateway):
    """The engine counts one token of the template; the client's budget does not hold it."""
    engine.play(whole(UNARY))
    gateway.chat(max_tokens=1000, reasoning={"max_tokens": 100})
    sent = engine.last().json
    assert (sent["max_tokens"], sent["thinking_token_budget"]) == (1000, 101)


def test_a_body_is_let_go_once_the_engine_has_it(engine, gateway):
    """A long answer does not hold the megabytes of its pictures."""
    text, go = "data:image/png;base64," + "QUJD" * 2_000_000, threading.Event()
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": text}]}).encode()
    engine.play(held(answer_events()[:2], go, answer_events()[2:]))
    connection = gateway.connect()
    tracemalloc.start()
    try:
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        assert response.read(1)
        read = tracemalloc.take_snapshot().filter_traces([READ])
        assert sum(trace.size for trace in read.traces) < len(body) / 2
    finally:
        tracemalloc.stop()
        go.set()
        connection.close()


class TestCounting:
    """The prompt's length: bounded from above, and asked for exactly where that is too much."""

    def test_a_prompt_that_surely_fits_is_not_counted(self, engine, gateway):
        """Prompt bytes and output limit together stay within the context."""
        text = "x" * 5000
        engine.play(whole(UNARY))
        gateway.chat(messages=[{"role": "user", "content": text}])
        assert not engine.counts
        assert 8_000 < engine.last().json["max_tokens"] < MAX_MODEL_LEN - len(text)

    @pytest.mark.parametrize(
        ("max_tokens", "prompt", "given"),
        [
            pytest.param(4000, 10_000, 4000, id="the client's limit fits after all"),
            pytest.param(None, 4_000, 12_384, id="what is left, nothing asked"),
            pytest.param(None, 16_383, 1, id="one token left"),
            pytest.param(384, 16_000, 384, id="just fits"),
        ],
    )
    def test_an_exact_count_decides(self, engine, gateway, max_tokens, prompt, given):
        """The engine counts by its own template; one question, then the request."""
        engine.tokenize = counted(prompt)
        engine.play(whole(UNARY))
        messages = [{"role": "user", "content": "x " * 8000}]
        answer = gateway.chat(messages=messages, max_tokens=max_tokens, tools=[TOOL])
        assert answer.status == 200
        [question] = engine.counts
        assert question.json == {
            "model": "tiny-qwen3-vl",
            "messages": messages,
            "tools": [TOOL],
        }
        assert engine.last().json["max_tokens"] == given

    @BOTH
    @pytest.mark.parametrize(
        ("max_tokens", "prompt"), [(385, 16_000), (1, 16_384), (None, 16_384), (None, 90_000)]
    )
    def test_a_prompt_that_leaves_too_little_is_refused(
        self, engine, gateway, path, max_tokens, prompt
    ):
        """By name and number, without a request to the engine."""
        engine.tokenize = counted(prompt)
        text = [{"role": "user", "content": "x " * 9000}]
        answer = gateway.chat(path=path, messages=text, max_tokens=max_tokens)
        assert answer.status == 400
        assert "context_length_exceeded" in json.dumps(answer.error)
        numbers = (MAX_MODEL_LEN, prompt, max_tokens or 1)
        assert all(str(number) in answer.error["message"] for number in numbers)
        assert not engine.requests

    @pytest.mark.parametrize("text", ["x ", "data:;base64,"], ids=["words", "cut out"])
    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/v1/chat/completions", "messages"),
            ("/api/v1/chat/completions", "messages"),
            ("/v1/messages/count_tokens", "messages"),
            ("/v1/responses", "input"),
        ],
    )
    def test_a_text_that_cannot_fit_is_not_counted(self, engine, gateway, path, field, text):
        """The engine would count its megabytes while everybody waits."""
        content = text + "QUJD" * (8 * MAX_MODEL_LEN)
        body = json.dumps({field: [{"role": "user", "content": content}]}).encode()
        answer = gateway.request("POST", path, body)
        assert answer.status == 400
        assert "context" in answer.error["message"]
        assert f"the {32 * MAX_MODEL_LEN} bytes" in answer.error["message"]
        assert not engine.counts + engine.requests

    @pytest.mark.parametrize(
        ("script", "verdict"),
        [
            pytest.param(refusal(400, "bad template"), (400, "invalid_value"), id="refused"),
            pytest.param(whole(b"{}"), (502, "engine_error"), id="no count"),
            pytest.param(whole(b"<html>"), (502, "engine_error"), id="garbage"),
        ],
    )
    def test_a_count_that_fails_is_the_answer(self, engine, gateway, script, verdict):
        """The engine's verdict is told, a fault of its own is no fault of the gateway's."""
        engine.tokenize = script
        answer = gateway.chat(messages=[{"role": "user", "content": "x " * 9000}])
        assert (answer.status, answer.error["code"]) == verdict
        assert not engine.requests


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        pytest.param(
            "/v1/chat/completions",
            {"response_format": {"type": "json_object"}},
            "response_format",
            id="chat",
        ),
        pytest.param(
            "/v1/responses",
            {"messages": None, "input": "hi", "text": {"format": {"type": "json_object"}}},
            "text.format",
            id="responses",
        ),
        pytest.param(
            "/v1/completions",
            {"messages": None, "prompt": "hi", "structured_outputs": {"regex": "("}},
            "structured_outputs",
            id="completions",
        ),
    ],
)
def test_a_grammar_that_cannot_be_enforced_is_named_by_its_field(
    engine, gateway, path, fields, param
):
    """vLLM says what is wrong, and not where."""
    engine.play(refusal(400, "Failed to transform json schema into a grammar: no type 'a'"))
    error = gateway.chat(path=path, **fields).error
    assert (error["param"], error["code"]) == (param, "invalid_value")
    assert f"'{param}' cannot be enforced" in error["message"]
    assert "no type 'a'" in error["message"]


def test_anthropics_clients_read_of_their_own_field(engine, gateway):
    """Their error has no field for a name, so its sentence holds it."""
    engine.play(refusal(400, "Failed to transform json schema into a grammar: no type 'a'"))
    schema = {"format": {"type": "json_schema", "schema": {"type": "a"}}}
    answer = gateway.chat(path="/v1/messages", max_tokens=100, output_config=schema)
    assert "'output_config.format' cannot be enforced" in answer.error["message"]


def test_two_forms_of_one_answer_are_refused(gateway):
    """The engine would say so in its own objects' words."""
    error = gateway.chat(
        structured_outputs={"regex": "a"}, response_format={"type": "json_object"}
    ).error
    assert (error["param"], error["code"]) == ("structured_outputs", "invalid_value")
    assert "response_format" in error["message"]


def test_a_prompt_over_the_context_is_named_by_its_field(engine, gateway):
    """What the engine calls input_tokens is the client's prompt."""
    engine.play(refusal(400, "This model's maximum context length is 9.", "input_tokens"))
    error = gateway.chat(path="/v1/completions", messages=None, prompt="hi").error
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")


class TestStopTexts:
    """Stop texts end the answer, never the thought: they are matched here."""

    EVENTS = (
        delta_event(role="assistant", content=""),
        delta_event(reasoning="STOP it"),
        delta_event(content="one S"),
        delta_event(content="TOP two"),
    )

    @pytest.mark.parametrize("streamed", [True, False])
    def test_the_answer_is_cut_and_the_engine_told(self, engine, gateway, streamed):
        """The engine is asked without stop texts, counts as it goes, and loses its client."""
        engine.play(stream([*self.EVENTS, 60.0]))
        answer = gateway.chat(stop=["STOP"], stream=streamed)
        sent = engine.last().json
        assert "stop" not in sent
        assert sent["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
        if streamed:
            assert b'"one "' in answer.body
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b"two" not in answer.body
        else:
            choice = answer.json["choices"][0]
            assert choice["message"]["content"] == "one "
            assert choice["message"]["reasoning"] == "STOP it"
            assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "STOP")
        assert engine.last().hung_up.wait(WAIT_SECONDS)

    @pytest.mark.parametrize("at_once", [True, False])
    def test_usage_ends_with_the_answer(self, engine, gateway, at_once):
        """What the engine made after the stop text is not counted, had it come by then or not."""

        def counted_event(tokens, reason=None, **delta):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return event(choices=[choice], usage=dict(USAGE, completion_tokens=tokens))

        events = [
            counted_event(1, reasoning="t"),
            counted_event(3, content="a STOP"),
            counted_event(5, reason="length"),
            event(choices=[], usage=dict(USAGE, completion_tokens=5)),
            DONE,
        ]
        engine.play(stream([b"".join(events)] if at_once else [*events[:2], 60.0]))
        assert gateway.chat(stop=["STOP"]).json["usage"]["completion_tokens"] == 3

    def test_without_stop_texts_a_whole_answer_is_asked_whole(self, engine, gateway):
        """The engine puts its own answers together."""
        engine.play(whole(UNARY))
        gateway.chat(stop=[])
        assert engine.last().json["stream"] is False


def test_every_field_of_a_request_is_either_translated_or_passed():
    """A new field of the request's type cannot be forgotten here."""
    translated = {
        "messages", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens",
        "reasoning", "reasoning_effort", "include_reasoning",
    }  # fmt: skip
    without_effect = {"user", "metadata"}
    assert set(ChatRequest.__struct_fields__) <= ENGINE_FIELDS | translated | without_effect
