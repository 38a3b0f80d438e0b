"""Chat requests as types: what of them the engine gets, and how thoughts come back in history."""

from typing import Any, get_args

import msgspec
import pytest

from serving.gateway.api import chat, completions
from serving.gateway.budget import SHARES
from serving.gateway.chat_request import (
    AssistantMessage,
    ChatRequest,
    CompletionRequest,
    Effort,
    Message,
)
from serving.gateway.reading import NEVER_OPEN
from serving.gateway.sampling import Sampling

HI = [{"role": "user", "content": "hi"}]
# vLLM's and OpenAI's sampling fields, each with a value that the engine takes.
SAMPLING: dict[str, Any] = {
    "temperature": 0.3, "top_p": 0.4, "top_k": 7, "min_p": 0.1, "seed": 3, "n": 2,
    "frequency_penalty": 0.5, "presence_penalty": -0.5, "repetition_penalty": 1.1,
    "logit_bias": {"5": 1.0}, "stop": ["x"], "min_tokens": 2, "stop_token_ids": [5],
    "include_stop_str_in_output": True, "skip_special_tokens": False, "bad_words": ["y"],
    "allowed_token_ids": [1, 2], "return_token_ids": True, "return_tokens_as_token_ids": True,
}  # fmt: skip


def request(**fields: Any) -> ChatRequest:
    """Return a chat request."""
    return msgspec.convert({"messages": HI} | fields, ChatRequest)


def tool(**fields: Any) -> dict[str, Any]:
    """Return a tool."""
    return {"type": "function", "function": {"name": "f"} | fields}


def test_sampling_fields_reach_the_engine_as_sent():
    """OpenAI's and vLLM's sampling fields keep their names and values."""
    assert request(**SAMPLING).engine_fields() == SAMPLING


@pytest.mark.parametrize("name", SAMPLING)
def test_a_field_that_was_not_sent_is_not_sent_on(name):
    """The model's own default holds; null is the same as nothing."""
    assert name not in request(**{name: None}).engine_fields()
    assert request(**{name: SAMPLING[name]}).engine_fields() == {name: SAMPLING[name]}


def test_a_top_p_of_0_is_the_least_that_the_engine_takes():
    """OpenAI's clients send 0 for "the likeliest token only"; vLLM refuses it."""
    assert 0 < request(top_p=0).engine_fields()["top_p"] < 0.001


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ("x", ("x",)), (["x", "y"], ("x", "y")), ([], ())]
)
def test_stop_is_one_text_or_several(stop, stops):
    """However it was sent."""
    assert request(stop=stop).stops == stops


def test_one_answer_is_asked_for_where_nothing_is_said():
    """n counts answers."""
    assert (request().choices, request(n=3).choices) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "thought"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"reasoning": "a"}, "a", id="reasoning"),
        pytest.param({"reasoning_content": "a"}, "a", id="older name"),
        pytest.param({"reasoning": "a", "reasoning_content": "a"}, "a", id="both"),
        pytest.param({"reasoning": None, "reasoning_content": ""}, None, id="empty"),
        pytest.param(
            {"reasoning_details": [{"type": "reasoning.text", "text": each} for each in "ab"]},
            "ab",
            id="details",
        ),
        pytest.param(
            {"reasoning": "a", "reasoning_details": [{"text": "a"}]}, "a", id="text and details"
        ),
        pytest.param({"reasoning_details": [{"summary": "s"}]}, "s", id="summary"),
        pytest.param(
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, None, id="secret"
        ),
    ],
)
def test_a_thought_passed_back_is_found(fields, thought):
    """In OpenRouter's three forms, once."""
    message = msgspec.convert({"role": "assistant", "content": "x"} | fields, AssistantMessage)
    assert message.thought == thought


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_is_known(role):
    """All that OpenAI's schema has, its deprecated one aside."""
    message = msgspec.convert({"role": role, "content": "x"}, Message)
    assert message.content == "x"


def test_every_effort_has_a_share():
    """All but none, which is no thought at all."""
    assert set(get_args(Effort)) == {*SHARES, "none"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"structured_outputs": {}}, id="no grammar"),
        pytest.param({"structured_outputs": {"regex": "a", "json": {}}}, id="two grammars"),
        pytest.param({"tools": [tool(parameters={"type": "string"})]}, id="no object"),
    ],
)
def test_a_form_that_the_engine_cannot_keep_is_no_request(fields):
    """vLLM refuses these in words of its own, or answers what is no call."""
    with pytest.raises(msgspec.ValidationError):
        request(**fields)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"structured_outputs": {"regex": "a"}}, "structured_outputs", id="regex"),
        pytest.param({"structured_outputs": True}, None, id="a boolean"),
        pytest.param({"response_format": {"type": "text"}}, None, id="text"),
        pytest.param({"response_format": {"type": "json_object"}}, "response_format", id="JSON"),
        pytest.param({"tools": [tool()]}, None, id="tools that may be called"),
        pytest.param({"tools": [tool(strict=True)]}, "tools", id="a strict tool"),
        pytest.param({"tools": [tool()], "tool_choice": "required"}, "tools", id="a call"),
        pytest.param(
            {"tools": [tool()], "tool_choice": {"function": {"name": "f"}}}, "tools", id="a name"
        ),
        pytest.param(
            {"tools": [tool(strict=True)], "tool_choice": "none"}, None, id="tools put away"
        ),
    ],
)
def test_the_grammar_is_named_by_its_field(fields, name):
    """Only what really binds the answer can be what it broke off at."""
    assert request(**fields).grammar == name


@pytest.mark.parametrize("kind", [ChatRequest, CompletionRequest, Sampling])
def test_no_closed_field_is_open(kind):
    """What would give a client power over other clients or the template is nobody's to send."""
    assert not NEVER_OPEN & set(kind.__struct_fields__)
    assert not NEVER_OPEN & (chat.IGNORED | completions.IGNORED)


def test_an_ignored_field_is_no_field():
    """A field either has its effect or none."""
    assert not chat.IGNORED & set(ChatRequest.__struct_fields__)
