"""Output limits and thinking budgets, from a request's fields to what the engine is told."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.chat_request import ChatRequest
from serving.gateway.errors import BadRequest
from serving.gateway.output import OutputPlan, asked_tokens, hides_thought, plan_output
from serving.options import GatewaySettings

LIMITS = GatewaySettings()
CONTEXT = 262_144


def request(**fields: Any) -> ChatRequest:
    """Return a chat request."""
    messages = [{"role": "user", "content": "hi"}]
    return msgspec.convert({"messages": messages} | fields, ChatRequest)


def planned(thinks: bool = True, rest: int = CONTEXT, **fields: Any) -> OutputPlan:
    """Plan a request's output."""
    return plan_output(
        request(**fields), limits=LIMITS, thinks=thinks, context=CONTEXT, rest_tokens=rest
    )


@pytest.mark.parametrize(
    ("fields", "plan"),
    [
        pytest.param({}, (32_768, 26_214), id="nothing said"),
        pytest.param({"rest": 10_000}, (10_000, 8_000), id="what the context leaves"),
        pytest.param({"rest": 1}, (1, 0), id="one token is an answer"),
        pytest.param({"max_tokens": 300}, (300, 150), id="small limit"),
        pytest.param({"max_tokens": 1}, (1, 0), id="smallest limit"),
        pytest.param({"max_tokens": 32_768}, (32_768, 26_214), id="largest limit"),
        pytest.param({"max_tokens": 10, "rest": 10}, (10, 5), id="just fits"),
        pytest.param({"max_completion_tokens": 500, "max_tokens": 9}, (500, 250), id="newer name"),
        pytest.param(
            {"max_tokens": 10_000, "reasoning_effort": "low"}, (10_000, 2_000), id="effort"
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"effort": "xhigh"}}, (10_000, 9_500), id="object"
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"effort": "low"}, "reasoning_effort": "low"},
            (10_000, 2_000),
            id="both the same",
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"enabled": True}}, (10_000, 5_000), id="enabled"
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"enabled": True, "effort": "minimal"}},
            (10_000, 1_000),
            id="enabled with an effort",
        ),
        pytest.param(
            {"max_tokens": 1000, "reasoning": {"max_tokens": 999}}, (1000, 999), id="budget"
        ),
        pytest.param({"max_tokens": 1000, "reasoning": {"max_tokens": 0}}, (1000, 0), id="none"),
        pytest.param(
            {"max_tokens": 1000, "thinking_token_budget": 7, "reasoning": {"max_tokens": 9}},
            (1000, 7),
            id="vLLM's field wins",
        ),
        pytest.param(
            {"max_tokens": 1000, "thinking_token_budget": -1}, (1000, None), id="unlimited"
        ),
        pytest.param({"reasoning": {"exclude": True}}, (32_768, 26_214), id="hidden is thought"),
        pytest.param(
            {"thinks": False, "reasoning_effort": "none"}, (32_768, None), id="no thinker"
        ),
        pytest.param(
            {"thinks": False, "reasoning": {"enabled": False, "max_tokens": 5}},
            (32_768, None),
            id="no thinker, no budget",
        ),
    ],
)
def test_plan_of_known_cases(fields, plan):
    """Limits and budgets worked out by hand."""
    assert planned(**fields) == OutputPlan(*plan)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        pytest.param({"max_tokens": 32_769}, "max_tokens", "max_tokens_exceeded", id="too many"),
        pytest.param(
            {"max_completion_tokens": 99_999, "max_tokens": 5},
            "max_completion_tokens",
            "max_tokens_exceeded",
            id="too many by the newer name",
        ),
        pytest.param(
            {"max_tokens": 10, "rest": 9}, "messages", "context_length_exceeded", id="over by one"
        ),
        pytest.param({"rest": 0}, "messages", "context_length_exceeded", id="a full context"),
        pytest.param({"rest": -500}, "messages", "context_length_exceeded", id="more than full"),
        pytest.param(
            {"max_tokens": 9, "reasoning": {"max_tokens": 9}},
            "reasoning.max_tokens",
            "invalid_value",
            id="no room for an answer",
        ),
        pytest.param(
            {"rest": 100, "reasoning": {"max_tokens": 100}},
            "reasoning.max_tokens",
            "invalid_value",
            id="no room in the context",
        ),
        pytest.param(
            {"reasoning": {"enabled": False}}, "reasoning", "invalid_value", id="cannot stop"
        ),
        pytest.param({"reasoning_effort": "none"}, "reasoning", "invalid_value", id="effort none"),
        pytest.param(
            {"reasoning": {"effort": "none"}},
            "reasoning",
            "invalid_value",
            id="none, in the object",
        ),
        pytest.param(
            {"reasoning_effort": "low", "reasoning": {"effort": "high"}},
            "reasoning_effort",
            "invalid_value",
            id="two efforts",
        ),
        pytest.param(
            {"thinks": False, "thinking_token_budget": 5},
            "thinking_token_budget",
            "invalid_value",
            id="no thinker",
        ),
    ],
)
def test_what_cannot_hold_is_refused(fields, param, code):
    """The error names the field."""
    with pytest.raises(BadRequest) as caught:
        planned(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        pytest.param({"max_tokens": 40_000}, ("40000", "32768"), id="limit"),
        pytest.param({"max_tokens": 500, "rest": 99}, ("500", "262045"), id="context"),
        pytest.param(
            {"rest": -5}, ("maximum context length is 262144", "262149"), id="OpenAI's words"
        ),
        pytest.param({"max_tokens": 9, "reasoning": {"max_tokens": 10}}, ("10", "9"), id="budget"),
    ],
)
def test_a_refusal_names_the_numbers(fields, numbers):
    """What was asked and what the limit is."""
    with pytest.raises(BadRequest) as caught:
        planned(**fields)
    assert all(number in caught.value.message for number in numbers)


@given(
    st.integers(1, CONTEXT),
    st.none() | st.integers(1, 32_768),
    st.sampled_from([None, "max", "xhigh", "high", "medium", "low", "minimal"]),
)
def test_a_plan_always_fits_and_leaves_an_answer(rest, max_tokens, effort):
    """Within the context and the limit; at least one token in two stays, or the reserve."""
    if max_tokens is not None and max_tokens > rest:
        return
    plan = planned(rest=rest, max_tokens=max_tokens, reasoning_effort=effort)
    assert 1 <= plan.max_tokens <= min(rest, 32_768)
    assert plan.max_tokens == max_tokens or max_tokens is None
    assert plan.thinking_token_budget is not None
    left = plan.max_tokens - plan.thinking_token_budget
    assert left >= min(256, (plan.max_tokens + 1) // 2)


@pytest.mark.parametrize(
    ("fields", "hidden"),
    [
        ({}, False),
        ({"reasoning": {}}, False),
        ({"reasoning": {"exclude": True}}, True),
        ({"reasoning": {"exclude": False}}, False),
        ({"include_reasoning": False}, True),
        ({"include_reasoning": True}, False),
        ({"include_reasoning": False, "reasoning": {"effort": "low"}}, True),
        ({"include_reasoning": False, "reasoning": {"exclude": False}}, False),
        ({"include_reasoning": True, "reasoning": {"exclude": True}}, True),
    ],
    ids=str,
)
def test_who_hides_the_thought(fields, hidden):
    """The newer field wins over the older one."""
    assert hides_thought(request(**fields)) is hidden


def test_a_client_that_says_nothing_asks_for_nothing():
    """The server's own limit then holds."""
    assert asked_tokens(request(), 100) is None
    assert asked_tokens(request(max_tokens=100), 100) == 100
