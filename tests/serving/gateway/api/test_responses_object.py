"""A whole response: complete, typed, and honest about what is missing."""

import msgspec
import openrouter
import pytest
from openai.types.responses import Response

from serving.gateway.dialect import OPENROUTER
from tests.fake_engine import delta_event, event
from tests.serving.gateway.api.responses_world import (
    MESSAGE,
    PART,
    SHOWN_USAGE,
    THOUGHT,
    USAGE,
    Json,
    parsed,
    response_of,
    streamed,
    tool_calls,
    view,
    whole,
)


def test_a_response_has_all_fields_of_its_types() -> None:
    """A plain answer is complete: what was asked is repeated, what this server lacks is null."""
    shown = whole(view(OPENROUTER), reasoning="hm", content="red")
    Response.model_validate(shown, strict=True)
    openrouter.components.OpenResponsesResult.model_validate(shown)
    assert shown.pop("completed_at") > 1
    assert shown == {
        "id": "resp_abc",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "tiny-qwen3-vl",
        "output": [THOUGHT | {"format": "unknown", "signature": None}, MESSAGE],
        "error": None,
        "incomplete_details": None,
        "usage": SHOWN_USAGE
        | {
            "cost": 0.0,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": None,
                "upstream_inference_input_cost": 0.0,
                "upstream_inference_output_cost": 0.0,
            },
        },
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}, "verbosity": None},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "user": None,
        "temperature": 0.5,
        "top_p": None,
        "frequency_penalty": None,
        "presence_penalty": None,
        "background": False,
        "max_tool_calls": None,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "truncation": "disabled",
    }


@pytest.mark.parametrize(
    ("request_fields", "echoed"),
    [
        pytest.param({"instructions": "Be brief."}, {}, id="instructions"),
        pytest.param({"max_output_tokens": 9}, {}, id="limit"),
        pytest.param({"metadata": {"a": "b"}}, {}, id="metadata"),
        pytest.param({"parallel_tool_calls": False}, {}, id="one call"),
        pytest.param({"user": "u"}, {}, id="user"),
        pytest.param({"temperature": 0.25, "top_p": 0.5}, {}, id="sampling"),
        pytest.param({"tool_choice": {"type": "function", "name": "f"}}, {}, id="tool choice"),
        pytest.param(
            {"tools": [{"type": "function", "name": "f"}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "name": "f",
                        "description": None,
                        "parameters": None,
                        "strict": None,
                    }
                ]
            },
            id="tools",
        ),
        pytest.param(
            {"reasoning": {"effort": "low", "exclude": True}},
            {"reasoning": {"effort": "low", "summary": None}},
            id="reasoning",
        ),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}}},
            {
                "text": {
                    "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}},
                    "verbosity": None,
                }
            },
            id="schema",
        ),
        pytest.param(
            {"instructions": "data:image/png;base64," + "A" * 9999}, {}, id="text that was cut out"
        ),
    ],
)
def test_a_response_repeats_its_request(request_fields: Json, echoed: Json) -> None:
    """What the client set is in the response as it was sent."""
    shown = whole(view(**request_fields), content="a")
    expected = request_fields | echoed
    assert {name: shown[name] for name in expected} == expected
    Response.model_validate(shown, strict=True)


@pytest.mark.parametrize(
    ("said", "items"),
    [
        pytest.param({"content": "a"}, ["message incomplete"], id="in the answer"),
        pytest.param({"reasoning": "hm"}, ["reasoning incomplete"], id="in the thought"),
        pytest.param(
            {"reasoning": "hm", "content": "a", "tool_calls": tool_calls('{"a"')},
            ["reasoning completed", "message completed", "function_call incomplete"],
            id="in a call",
        ),
        pytest.param({}, [], id="before a word"),
    ],
)
def test_an_answer_cut_at_its_limit_is_incomplete(said: Json, items: list[str]) -> None:
    """The response and its last item say so; there is no message that the engine did not begin."""
    shown = whole(view(), "length", **said)
    assert (shown["status"], shown["completed_at"]) == ("incomplete", None)
    assert shown["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [f"{item['type']} {item['status']}" for item in shown["output"]] == items


@pytest.mark.parametrize("reason", ["stop", "repetition"])
def test_an_answer_without_words_is_an_empty_message(reason: str) -> None:
    """A thought is always followed by what it led to, so that a client can send both back."""
    [thought, message] = whole(view(), reason, reasoning="hm")["output"]
    assert (thought, message) == (THOUGHT, MESSAGE | {"content": [PART | {"text": ""}]})


def test_a_hidden_thought_is_an_item_without_words() -> None:
    """It begins and ends; while it is thought nothing is sent, so that comments can be."""
    shown = view(hide=True)
    begin = shown.events(delta_event(reasoning="h"))
    assert shown.events(delta_event(reasoning="m")) == b""
    rest = shown.events(delta_event("stop", content="red")) + shown.end(USAGE)
    assert response_of(begin + rest)["output"] == [THOUGHT | {"content": []}, MESSAGE]
    assert b"hm" not in begin + rest


def test_usage_says_what_it_cost_and_that_the_budget_was_hit() -> None:
    """The price is in USD, by the names that OpenRouter's responses have for it."""
    usage = msgspec.structs.replace(
        USAGE, prompt_cost=0.25, completion_cost=0.5, reasoning_budget_hit=True
    )
    shown = view(OPENROUTER)
    stream = shown.events(delta_event("stop", content="a")) + shown.end(usage)
    assert stream.endswith(b"\n\ndata: [DONE]\n\n")
    shown_usage = response_of(stream.removesuffix(b"data: [DONE]\n\n"))["usage"]
    assert shown_usage["output_tokens_details"]["reasoning_budget_hit"] is True
    assert (shown_usage["cost"], shown_usage["cost_details"]) == (
        0.75,
        {
            "upstream_inference_cost": None,
            "upstream_inference_input_cost": 0.25,
            "upstream_inference_output_cost": 0.5,
        },
    )


def entry(token: str, bytes_: bytes | None = None) -> Json:
    data = list(token.encode() if bytes_ is None else bytes_)
    return {"token": token, "logprob": -0.5, "bytes": data, "top_logprobs": []}


def test_logprobs_are_those_of_the_answer() -> None:
    """Tokens of the thought, marks and what encloses the answer are left out, also in a stream."""
    smile = "🙂".encode()
    steps = [
        ({"reasoning": "h"}, [entry("h")]),
        ({"reasoning": "red"}, [entry("red") | {"logprob": -9.0}]),
        ({}, [entry("</think>")]),
        ({}, [entry("\n\n")]),
        ({"content": "red"}, [entry("red")]),
        ({}, [entry("�", smile[:2])]),
        ({"content": "🙂"}, [entry("�", smile[2:])]),
        ({}, [entry("<|im_end|>")]),
    ]
    events = []
    for delta, entries in steps:
        choice = {"index": 0, "delta": delta, "logprobs": {"content": entries}}
        events.append(event(choices=[choice | {"finish_reason": None}]))
    logprobs = {"content": [each for _, entries in steps for each in entries]}
    shown = whole(view(), reasoning="hred", content="red🙂", logprobs=logprobs)
    expected = [entry("red"), entry("�", smile[:2]), entry("�", smile[2:])]
    assert shown["output"][1]["content"][0]["logprobs"] == expected
    stream = streamed([*events, delta_event("stop")], view())
    assert response_of(stream)["output"] == shown["output"]
    deltas = [each for each in parsed(stream) if each["type"] == "response.output_text.delta"]
    assert [each["logprobs"] for each in deltas] == [expected[:1], expected[1:]]
