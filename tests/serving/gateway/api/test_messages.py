"""Anthropic's endpoints over real sockets: what reaches the engine, and what comes back."""

import asyncio
import base64
import io
import json
import re
import threading
from typing import Any

import pytest
from PIL import Image

from serving.gateway import relay
from serving.gateway.generation import OPENING_TOKENS
from tests.fake_engine import (
    UNARY,
    Wire,
    answer_events,
    counted,
    delta_event,
    refusal,
    stream,
    whole,
)

HI = {"role": "user", "content": "hi"}


def message(**fields: Any) -> bytes:
    """Write a request with the fields; None takes one away."""
    request = {"model": "tiny-qwen3-vl", "max_tokens": 2000, "messages": [HI], **fields}
    return json.dumps({n: value for n, value in request.items() if value is not None}).encode()


def ask(gateway: Any, path: str = "/v1/messages", headers: Any = None, **fields: Any) -> Any:
    """Send a request with the fields and return the answer."""
    return gateway.request("POST", path, message(**fields), headers)


def picture(side: int = 64) -> str:
    """Return a noisy PNG's base64: long enough to be cut out of the body from some size on."""
    packed = io.BytesIO()
    Image.effect_noise((side, side), 90).save(packed, "PNG")
    return base64.b64encode(packed.getvalue()).decode()


def image(data: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"type": "image", "source": source}


def names(body: bytes) -> list[str]:
    """Return the names of a stream's events."""
    return re.findall(r"^event: (\w+)$", body.decode(), re.MULTILINE)


def test_an_answer_is_a_message(engine, gateway):
    """A client that knows nothing of thoughts finds the answer in the first block."""
    engine.play(whole(UNARY))
    answer = ask(gateway)
    assert answer.status == 200
    assert answer.json["content"] == [{"type": "text", "text": "red"}]
    assert answer.json["stop_reason"] == "end_turn"
    assert answer.json["usage"]["input_tokens"] == 11
    assert answer.json["usage"]["output_tokens_details"]["thinking_tokens"] == 3
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.json["id"] == "msg_" + answer.headers["request-id"].removeprefix("req_")
    sent = engine.last().json
    assert (sent["max_tokens"], sent["stream"]) == (2000, False)
    share_of_the_silent = 0.8 * 2000
    assert sent["thinking_token_budget"] == share_of_the_silent + OPENING_TOKENS


def test_a_stream_has_anthropics_events(engine, gateway):
    """Each event has its name, blocks follow each other, and no [DONE] comes."""
    engine.play(stream(answer_events(thought="h", answer="r")))
    answer = ask(gateway, stream=True, thinking={"type": "enabled", "budget_tokens": 1024})
    assert answer.headers["content-type"].startswith("text/event-stream")
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    signed = [*block[:2], *block[1:]]
    assert names(answer.body) == [
        "message_start",
        *signed,
        *block,
        "message_delta",
        "message_stop",
    ]
    assert b"DONE" not in answer.body
    assert engine.last().json["thinking_token_budget"] == 1024 + OPENING_TOKENS


def test_a_hidden_thought_shows_nothing(engine, gateway):
    """Without `thinking` the stream begins with the answer's block."""
    engine.play(stream(answer_events(thought="secret", answer="r")))
    body = ask(gateway, stream=True).body
    assert names(body).count("content_block_start") == 1
    assert b"thinking_delta" not in body and b"signature" not in body


def test_a_hidden_thought_is_filled_with_pings(engine, gateway, monkeypatch):
    """While nothing is shown, the client hears that the answer is on its way."""
    monkeypatch.setattr(relay, "SILENCE_SECONDS", 0)
    heard = threading.Event()

    async def think(wire: Wire) -> None:
        await wire.head(200, "text/event-stream")
        while not heard.is_set():
            await wire.chunk(delta_event(reasoning="hm"))
            await asyncio.sleep(0.01)
        for event in answer_events(answer="r"):
            await wire.chunk(event)
        await wire.chunk(b"")

    engine.play(think)
    connection = gateway.connect()
    connection.request("POST", "/v1/messages", message(stream=True))
    response = connection.getresponse()
    body = b""
    while b"event: ping" not in body:
        body += response.read1()
    heard.set()
    body += response.read()
    connection.close()
    spoken = [name for name in names(body) if name != "ping"]
    assert names(body)[0] == "message_start"
    assert spoken[1] == "content_block_start"
    assert spoken.count("content_block_delta") == 1


def test_openrouters_path_drops_the_unknown_and_shows_cost(engine, gateway):
    """What /v1 refuses is dropped under /api/v1, whose usage has a price."""
    engine.play(whole(UNARY))
    answer = ask(gateway, "/api/v1/messages", top_a=1)
    assert answer.json["content"] == [{"type": "text", "text": "red"}]
    assert answer.json["usage"]["cost"] == 0  # the tiny model's price
    assert "top_a" not in engine.last().json
    assert "'top_a'" in ask(gateway, top_a=1).error["message"]
    assert answer.headers["request-id"] == answer.headers["x-request-id"], "for its official client"


@pytest.mark.parametrize("side", [pytest.param(8, id="short"), pytest.param(128, id="cut out")])
def test_pictures_reach_the_engine_unchanged(engine, gateway, side):
    """Base64 sources arrive as data URLs, in messages and in tools' results."""
    data = picture(side)
    called = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image(data)]}
    turns = [
        {"role": "user", "content": [image(data), {"type": "text", "text": "?"}]},
        {"role": "assistant", "content": [called]},
        {"role": "user", "content": [result]},
    ]
    engine.play(whole(UNARY))
    assert ask(gateway, messages=turns).status == 200
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    user, _, tool = engine.last().json["messages"]
    assert user["content"][0] == tool["content"][0] == part


def blocks(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"max_tokens": None}, "'max_tokens' is missing", id="no max_tokens"),
        pytest.param({"max_tokens": 0}, "'max_tokens'", id="no output"),
        pytest.param({"max_tokens": 99_999}, "'max_tokens' is 99999", id="too much output"),
        pytest.param({"messages": None}, "'messages' is missing", id="no messages"),
        pytest.param({"messages": []}, "'messages'", id="empty messages"),
        pytest.param({"messages": [{"role": "bot", "content": "x"}]}, "'bot'", id="role"),
        pytest.param(blocks(), r"messages[0].content", id="no blocks"),
        pytest.param(
            blocks({"type": "document", "source": {}}),
            "'document'. A user's blocks are",
            id="document",
        ),
        pytest.param(
            blocks({"type": "thinking", "thinking": "hm", "signature": "s"}),
            "messages[0].content[0].type",
            id="thought in the wrong place",
        ),
        pytest.param(
            blocks(
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "search_result"}]}
            ),
            "messages[0].content[0].content[0].type",
            id="block in a result",
        ),
        pytest.param(
            blocks({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            "base64 or url",
            id="picture by id",
        ),
        pytest.param(
            blocks({"type": "text", "text": "a"}, image("AAAA")),
            "messages[0].content[1].source.data holds no readable picture",
            id="no picture",
        ),
        pytest.param(
            blocks(
                {"type": "tool_result", "tool_use_id": "t", "content": "x"},
                {"type": "tool_result", "tool_use_id": "t", "content": [image("?")]},
            ),
            "messages[0].content[1].content[0].source.data is not valid base64",
            id="no base64",
        ),
        pytest.param(
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "'web_search_20250305'. This server runs no tools itself",
            id="server tool",
        ),
        pytest.param({"tools": [{"name": "f"}]}, "tools[0].input_schema", id="no input_schema"),
        pytest.param({"tool_choice": {"type": "tool"}}, "tool_choice.name", id="unnamed choice"),
        pytest.param({"thinking": {"type": "disabled"}}, "always thinks", id="no thought"),
        pytest.param(
            {"thinking": {"type": "enabled", "budget_tokens": 1023}},
            "'thinking.budget_tokens'",
            id="small budget",
        ),
        pytest.param({"chat_template": "x"}, "'chat_template'", id="closed field"),
        pytest.param({"tempreature": 1}, "Did you mean 'temperature'?", id="misspelt field"),
    ],
)
def test_bad_requests_name_what_is_wrong(engine, gateway, fields, said):
    """A request that cannot be served is Anthropic's invalid_request_error, with the field."""
    answer = ask(gateway, **fields)
    assert answer.status == 400
    assert answer.json["type"] == "error"
    assert answer.error["type"] == "invalid_request_error"
    assert said in answer.error["message"]
    assert answer.json["request_id"] == answer.headers["request-id"]
    assert not engine.requests


@pytest.mark.parametrize(
    ("script", "status", "kind"),
    [
        pytest.param(refusal(400, "bad schema"), 400, "invalid_request_error", id="refused"),
        pytest.param(refusal(503, "is currently busy"), 429, "rate_limit_error", id="busy"),
        pytest.param(refusal(500, "oops"), 502, "api_error", id="broken"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_the_engines_errors_have_anthropics_types(engine, gateway, path, script, status, kind):
    """What the engine refuses or fails at is said in Anthropic's form."""
    engine.play(script)
    engine.tokenize = script
    fields = {"max_tokens": None} if path.endswith("count_tokens") else {}
    answer = ask(gateway, path, **fields)
    assert (answer.status, answer.error["type"]) == (status, kind)


def test_an_error_within_a_stream_is_an_event(engine, gateway):
    """What came before stays, and an event named error ends it."""
    engine.play(stream([delta_event(content="a")], end=False))
    body = ask(gateway, stream=True).body
    assert names(body)[-1] == "error"
    assert "message_stop" not in names(body)
    error = json.loads(body.rstrip().rpartition(b"data: ")[2])
    assert error["error"]["type"] == "api_error"


def test_keys_are_taken_from_anthropics_header(engine, start_gateway):
    """x-api-key lets in; without it the client gets its authentication error."""
    gateway = start_gateway(api_keys=["secret"])
    engine.play(whole(UNARY))
    answer = ask(gateway)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")
    headers = {"x-api-key": "secret", "anthropic-version": "2023-06-01"}
    assert ask(gateway, headers=headers).status == 200


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_the_engine_counts_the_prompt(engine, gateway, base):
    """The count is the engine's, of everything that makes the prompt."""
    engine.tokenize = counted(1234)
    tool = {"name": "f", "input_schema": {"type": "object"}}
    data = picture()
    answer = ask(
        gateway,
        f"{base}/messages/count_tokens",
        max_tokens=None,
        messages=[{"role": "user", "content": [image(data)]}],
        system="Be kind.",
        tools=[tool],
        thinking={"type": "disabled"},
    )
    assert (answer.status, answer.json) == (200, {"input_tokens": 1234})
    [counted_request] = [request.json for request in engine.counts]
    assert counted_request["messages"] == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
            ],
        },
    ]
    assert [each["function"]["name"] for each in counted_request["tools"]] == ["f"]
    assert not engine.requests
