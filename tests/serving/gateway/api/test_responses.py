"""The Responses endpoint over real sockets: what reaches the engine, and what comes back."""

import base64
import io
import json
import re
from typing import Any

import pytest
from PIL import Image

from serving.gateway import relay
from tests.fake_engine import (
    UNARY,
    answer_events,
    delta_event,
    refusal,
    stream,
    whole,
)

PATHS = pytest.mark.parametrize("path", ["/v1/responses", "/api/v1/responses"])


def ask(gateway: Any, path: str = "/v1/responses", headers: Any = None, **fields: Any) -> Any:
    """Send a request with the fields and return the answer."""
    request = {"model": "tiny-qwen3-vl", "input": "hi", **fields}
    return gateway.request("POST", path, json.dumps(request).encode(), headers)


def kinds(body: bytes) -> list[str]:
    """Return the names of a stream's events, without what all of them begin with."""
    return re.findall(r"^event: (?:response\.)?(\S+)$", body.decode(), re.MULTILINE)


def last_response(body: bytes) -> Any:
    """Return the response of a stream's last event."""
    *_, last = re.findall(rb"^data: ({.*})$", body, re.MULTILINE)
    return json.loads(last)["response"]


def picture(side: int) -> str:
    """Return a noisy PNG as a data URL: long enough to be cut out of the body from some size on."""
    packed = io.BytesIO()
    Image.effect_noise((side, side), 90).save(packed, "PNG")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


@PATHS
def test_an_answer_is_a_response(engine, gateway, path):
    """Thought and answer are items; ids are the request's own; the engine is asked as by a chat."""
    engine.play(whole(UNARY))
    answer = ask(gateway, path, instructions="Be brief.", max_output_tokens=2000)
    assert answer.status == 200
    thought, message = answer.json["output"]
    assert (thought["type"], thought["content"][0]["text"]) == ("reasoning", "hm")
    assert (message["type"], message["content"][0]["text"]) == ("message", "red")
    assert answer.json["usage"]["output_tokens_details"]["reasoning_tokens"] == 3
    assert answer.json["id"] == "resp_" + answer.headers["x-request-id"].removeprefix("req_")
    assert ("cost" in answer.json["usage"]) is (path == "/api/v1/responses")
    sent = engine.last().json
    assert sent["max_tokens"] == 2000
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param({"reasoning": {"effort": "low"}}, id="effort"),
        pytest.param({"reasoning": {"max_tokens": 77}}, id="budget"),
        pytest.param({"reasoning": {"enabled": True}}, id="enabled"),
        pytest.param({"thinking_token_budget": 55}, id="vLLM's budget"),
        pytest.param({}, id="nothing"),
        pytest.param({"temperature": 0.5, "top_k": 3, "seed": 9}, id="sampling"),
        pytest.param({"structured_outputs": {"regex": "a+"}}, id="grammar"),
    ],
)
def test_the_engine_is_asked_as_by_a_chat(engine, gateway, same):
    """What has one name in both dialects has one effect, budgets of thought above all."""
    engine.play(whole(UNARY), whole(UNARY))
    assert ask(gateway, max_output_tokens=1000, **same).status == 200
    by_response = engine.last().json
    assert gateway.chat(max_tokens=1000, **same).status == 200
    assert engine.last().json == by_response


@PATHS
def test_a_stream_builds_up_the_response(engine, gateway, path):
    """Every item begins, grows and ends; the last event is the response; [DONE] is OpenRouter's."""
    engine.play(stream(answer_events(thought="h", answer="r")))
    answer = ask(gateway, path, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    added, done = ["output_item.added", "content_part.added"], ["content_part.done"]
    assert kinds(answer.body) == [
        "created",
        "in_progress",
        *(*added, "reasoning_text.delta", "reasoning_text.done", *done, "output_item.done"),
        *(*added, "output_text.delta", "output_text.done", *done, "output_item.done"),
        "completed",
    ]
    assert answer.body.endswith(b"data: [DONE]\n\n") is (path == "/api/v1/responses")
    assert last_response(answer.body)["usage"]["input_tokens"] == 11


def test_excluded_thoughts_are_not_shown(engine, gateway):
    """The item is there, its words are not; the engine thinks all the same."""
    engine.play(stream(answer_events(thought="secret", answer="r")))
    body = ask(gateway, stream=True, reasoning={"exclude": True}).body
    thought, _ = last_response(body)["output"]
    assert (thought["type"], thought["content"]) == ("reasoning", [])
    assert "reasoning_text.delta" not in kinds(body)
    assert "include_reasoning" not in engine.last().json


def test_a_stop_text_ends_the_response(engine, gateway):
    """The answer is cut where the gateway finds it, and completed."""
    engine.play(stream(answer_events(thought="ab", answer="abc")))
    response = ask(gateway, stop="b").json
    assert response["status"] == "completed"
    assert [item["content"][0]["text"] for item in response["output"]] == ["ab", "a"]


@PATHS
def test_silence_is_filled_with_the_paths_comments(engine, gateway, path, monkeypatch):
    """A client that is shown nothing of a thought hears that the answer is on its way."""
    monkeypatch.setattr(relay, "SILENCE_SECONDS", 0)
    thought = [delta_event(reasoning="hm")] * 3
    engine.play(stream([*thought, *answer_events()], pause_seconds=0.01))
    body = ask(gateway, path, stream=True, reasoning={"exclude": True}).body
    comment = b": OPENROUTER PROCESSING\n\n" if "api" in path else b": keep-alive\n\n"
    assert comment in body
    assert kinds(body)[-1] == "completed"


@pytest.mark.parametrize("side", [pytest.param(8, id="short"), pytest.param(128, id="cut out")])
def test_pictures_reach_the_engine_unchanged(engine, gateway, side):
    """Data URLs arrive as they were sent, in messages and in what functions returned."""
    url = picture(side)
    image = {"type": "input_image", "image_url": url, "detail": "high"}
    engine.play(whole(UNARY))
    items = [
        {"role": "user", "content": [image, {"type": "input_text", "text": "?"}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [image]},
    ]
    assert ask(gateway, input=items).status == 200
    user, _, tool = engine.last().json["messages"]
    part = {"type": "image_url", "image_url": {"url": url}}
    assert user["content"][0] == tool["content"][0] == part


def test_errors_are_those_of_the_path(engine, gateway):
    """OpenAI's error object under /v1; OpenRouter's with its type on top under /api/v1."""
    openai = ask(gateway, max_output_tokens=99_999)
    assert (openai.status, openai.json) == (
        400,
        {
            "error": {
                "message": "'max_output_tokens' is 99999; this server's limit is 32768.",
                "type": "invalid_request_error",
                "param": "max_output_tokens",
                "code": "max_tokens_exceeded",
            }
        },
    )
    openrouter = ask(gateway, "/api/v1/responses", max_output_tokens=99_999)
    assert (openrouter.status, openrouter.error["code"]) == (400, 400)
    assert openrouter.json["error_type"] == "max_tokens_exceeded"
    assert openrouter.error["metadata"]["error_type"] == "max_tokens_exceeded"
    assert not engine.requests


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"input": "a " * 20_000}, "input", id="prompt"),
        pytest.param(
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_image", "image_url": "data:image/png;base64,A"}
                        ],
                    }
                ]
            },
            "input[0].content[0].image_url",
            id="no picture",
        ),
        pytest.param(
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": "x"}] * 9}
                ]
            },
            "input",
            id="too many pictures",
        ),
        pytest.param({"reasoning": {"effort": "none"}}, "reasoning", id="no thought"),
        pytest.param(
            {"reasoning": {"max_tokens": 9}, "max_output_tokens": 9},
            "reasoning.max_tokens",
            id="budget",
        ),
        pytest.param({"chat_template": "x"}, "chat_template", id="closed field"),
    ],
)
def test_bad_requests_name_the_clients_own_field(engine, gateway, fields, param):
    """Whichever step refuses a request, the client reads about what it sent."""
    engine.tokenize = whole(b'{"count":20000}')
    answer = ask(gateway, **fields)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert not engine.requests


@PATHS
@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param(refusal(400, "bad schema"), 400, id="refused"),
        pytest.param(refusal(503, "is currently busy"), 429, id="busy"),
        pytest.param(refusal(500, "oops"), 502, id="broken"),
    ],
)
def test_the_engines_errors_have_a_status(engine, gateway, path, script, status):
    """Before the first event an error is an HTTP answer, streamed or not."""
    engine.play(script, script)
    assert ask(gateway, path).status == status
    assert ask(gateway, path, stream=True).status == status


@PATHS
def test_an_error_within_a_stream_is_a_failed_response(engine, gateway, path):
    """What came before stays, and the last event says why there is no more."""
    engine.play(stream([delta_event(content="a")], end=False))
    body = ask(gateway, path, stream=True).body
    assert kinds(body)[-1] == "failed"
    response = last_response(body)
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert response["output"][0]["content"][0]["text"] == "a"
    assert ("error_type" in response) is (path == "/api/v1/responses")


def test_requests_are_counted_as_responses(engine, gateway):
    """Metrics tell this endpoint from the others."""
    line = 'gateway_requests_total{outcome="ok",route="responses"}'
    before = gateway.metric(line)
    engine.play(whole(UNARY))
    ask(gateway)
    assert gateway.metric(line) == before + 1
