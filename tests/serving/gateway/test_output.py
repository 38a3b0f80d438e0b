"""Output limits and thinking budgets, from a request's fields to what the engine is told."""

import msgspec
import pytest

from serving.gateway.errors import BadRequest
from serving.gateway.output import OutputPlan, plan_output
from serving.options import GatewaySettings
from tests.fake_engine import MAX_MODEL_LEN, UNARY, whole

LIMITS = GatewaySettings()


def planned(thinks: bool = True, rest: int | None = None, **fields: object) -> OutputPlan:
    """Plan for fields given as Python values."""
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return plan_output(raw, limits=LIMITS, thinks=thinks, rest_tokens=rest)


@pytest.mark.parametrize(
    ("fields", "plan"),
    [
        pytest.param({}, (32_768, 26_214), id="nothing said"),
        pytest.param({"rest": 10_000}, (10_000, 8_000), id="what the context leaves"),
        pytest.param({"rest": 1_000}, (None, 768), id="too little is the engine's to decide"),
        pytest.param({"max_tokens": 300}, (300, 150), id="small limit"),
        pytest.param({"max_completion_tokens": 500, "max_tokens": 9}, (500, 250), id="newer name"),
        pytest.param({"max_tokens": 1000, "rest": 10}, (1000, 744), id="the client's stands"),
        pytest.param(
            {"max_tokens": 10_000, "reasoning_effort": "low"}, (10_000, 2_000), id="effort"
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"effort": "xhigh"}}, (10_000, 9_500), id="object"
        ),
        pytest.param(
            {"max_tokens": 10_000, "reasoning": {"enabled": True}}, (10_000, 5_000), id="enabled"
        ),
        pytest.param(
            {"max_tokens": 1000, "reasoning": {"max_tokens": 999}}, (1000, 999), id="budget"
        ),
        pytest.param(
            {"max_tokens": 1000, "thinking_token_budget": 7}, (1000, 7), id="vLLM's field"
        ),
        pytest.param({"max_tokens": 1000, "thinking_token_budget": -1}, (1000, -1), id="unlimited"),
        pytest.param(
            {"thinks": False, "reasoning_effort": "none"}, (32_768, None), id="no thinker"
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
        pytest.param({"max_tokens": 0}, "max_tokens", "invalid_value", id="none"),
        pytest.param(
            {"max_tokens": 9, "reasoning": {"max_tokens": 9}},
            "reasoning.max_tokens",
            "invalid_value",
            id="no room",
        ),
        pytest.param(
            {"reasoning": {"enabled": False}},
            "reasoning",
            "invalid_value",
            id="cannot stop thinking",
        ),
        pytest.param({"reasoning_effort": "none"}, "reasoning", "invalid_value", id="effort none"),
        pytest.param(
            {"reasoning_effort": "huge"}, "reasoning", "invalid_value", id="unknown effort"
        ),
        pytest.param(
            {"reasoning_effort": "low", "reasoning": {"effort": "high"}},
            "reasoning_effort",
            "invalid_value",
            id="two efforts",
        ),
        pytest.param({"reasoning": {"exclude": True}}, "reasoning", "invalid_value", id="exclude"),
        pytest.param({"include_reasoning": False}, "reasoning", "invalid_value", id="not included"),
        pytest.param(
            {"thinking_token_budget": -2}, "thinking_token_budget", "invalid_value", id="negative"
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


def test_the_engine_gets_a_limit_that_surely_fits(engine, gateway):
    """Without a client's limit, prompt bytes and output limit together stay within the context."""
    text = "x" * 5000
    engine.play(whole(UNARY))
    gateway.chat(messages=[{"role": "user", "content": text}])
    sent = engine.last().json
    assert 8_000 < sent["max_tokens"] < MAX_MODEL_LEN - len(text)
    assert sent["thinking_token_budget"] == int(0.8 * sent["max_tokens"])


def test_the_models_sampling_is_sent_where_the_client_says_nothing(engine, gateway):
    """The tiny model answers greedily by default; a client's own value stands."""
    engine.play(whole(UNARY), whole(UNARY))
    gateway.chat()
    gateway.chat(temperature=0.9)
    assert [request.json["temperature"] for request in engine.requests] == [0.0, 0.9]
