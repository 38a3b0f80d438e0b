"""Anthropic's Messages API, asked as its client does: with x-api-key and a version."""

import json
from typing import Any

from serving.verify.answer import MAX_TOKENS, SUM, expect_sum
from serving.verify.check import Check
from serving.verify.checks import tools
from serving.verify.client import Endpoint
from serving.verify.judgement import shipped_pictures
from serving.verify.verdict import Skipped, expect, pick, pick_text

PATH = "/v1/messages"
THINKING = {"type": "enabled", "budget_tokens": 1024}
THINKING_MAX_TOKENS = 2048


def headers(endpoint: Endpoint) -> dict[str, str]:
    """Return Anthropic's own headers; where no key is needed, any will do."""
    return {"x-api-key": endpoint.key or "none", "anthropic-version": "2023-06-01"}


def request(endpoint: Endpoint, content: Any = SUM, **fields: Any) -> dict[str, Any]:
    """Write a request of one user message."""
    messages = [{"role": "user", "content": content}]
    common = {"model": endpoint.model, "max_tokens": MAX_TOKENS, "temperature": 0}
    return {"messages": messages, **common, **fields}


async def ask(endpoint: Endpoint, content: Any = SUM, **fields: Any) -> Any:
    """Ask for a whole message."""
    reply = await endpoint.post(PATH, request(endpoint, content, **fields), headers(endpoint))
    return reply.answered()


async def answer(endpoint: Endpoint) -> str:
    """Without `thinking` the message is the answer alone, for clients that read content[0]."""
    message = await ask(endpoint)
    expect(_kinds(message) == ["text"], f"blocks {_kinds(message)}")
    text = pick_text(message, "content", 0, "text")
    expect_sum(text)
    ended = pick(message, "type"), pick(message, "role"), pick(message, "stop_reason")
    expect(ended == ("message", "assistant", "end_turn"), f"{ended}")
    usage = pick(message, "usage")
    counts = pick(usage, "input_tokens"), pick(usage, "output_tokens")
    expect(min(counts) > 0, f"usage {usage}")
    return f"{text}; {counts[0]} tokens in, {counts[1]} out"


async def thinking(endpoint: Endpoint) -> str:
    """With `thinking` the thought is a block before the answer."""
    if not endpoint.thinks:
        raise Skipped(f"{endpoint.served} does not think")
    message = await ask(endpoint, thinking=THINKING, max_tokens=THINKING_MAX_TOKENS)
    expect(_kinds(message) == ["thinking", "text"], f"blocks {_kinds(message)}")
    thought = pick_text(message, "content", 0, "thinking")
    text = pick_text(message, "content", 1, "text")
    expect(bool(thought.strip()), "an empty thought")
    expect_sum(text)
    return f"thinking: {thought}; text: {text}"


async def stream(endpoint: Endpoint) -> str:
    """Events open, fill and close each block between message_start and message_stop."""
    events = [event async for event in endpoint.events(PATH, request(endpoint), headers(endpoint))]
    kinds = [pick_text(event.data, "type") for event in events if event.name != "ping"]
    misnamed = [event.name for event in events if event.name != event.data["type"]]
    expect(not misnamed, f"event names {misnamed}")
    ends = (kinds[0], kinds[-1]) if kinds else ("nothing", "nothing")
    expect(ends == ("message_start", "message_stop"), f"from {ends[0]} to {ends[1]}")
    opened, closed = kinds.count("content_block_start"), kinds.count("content_block_stop")
    expect(opened == closed > 0, f"{opened} blocks opened, {closed} closed")
    deltas = [pick(e.data, "delta") for e in events if e.name == "content_block_delta"]
    text = "".join(pick_text(d, "text") for d in deltas if pick(d, "type") == "text_delta")
    expect_sum(text)
    return f"{text} in {len(events)} events"


async def call(endpoint: Endpoint) -> str:
    """A tool call is a block with its input decoded."""
    tool = {
        "name": tools.NAME,
        "description": tools.DESCRIPTION,
        "input_schema": tools.PARAMETERS,
    }
    message = await ask(endpoint, tools.QUESTION, tools=[tool])
    expect(pick(message, "stop_reason") == "tool_use", f"stop_reason {message['stop_reason']}")
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    expect(len(calls) == 1, f"blocks {_kinds(message)}")
    arguments = json.dumps(pick(calls[0], "input"))
    return tools.expect_weather_call(pick_text(calls[0], "name"), arguments)


async def counted_picture(endpoint: Endpoint) -> str:
    """A picture is seen, and its message counted beforehand as it is counted afterwards."""
    picture = shipped_pictures()[0]
    source = {"type": "base64", "media_type": picture.media_type, "data": picture.base64}
    content = [{"type": "image", "source": source}, {"type": "text", "text": picture.question}]
    body = request(endpoint, content)
    asked = {name: body[name] for name in ("model", "messages")}
    counted = await endpoint.post(f"{PATH}/count_tokens", asked, headers(endpoint))
    before = pick(counted.answered(), "input_tokens")
    message = await ask(endpoint, content)
    text = pick_text(message, "content", 0, "text")
    after = pick(message, "usage", "input_tokens")
    expect(picture.is_answered_by(text), text)
    expect(before == after, f"counted {before}, used {after}")
    return f"{text}; {before} tokens, as counted"


async def error(endpoint: Endpoint) -> str:
    """A refusal is in Anthropic's envelope."""
    reply = await endpoint.post(PATH, request(endpoint, model="no-such-model"), headers(endpoint))
    body = reply.json()
    kind = pick(body, "error", "type")
    seen = (reply.status, pick(body, "type"), kind)
    expect(seen == (404, "error", "not_found_error"), reply.words())
    expect(bool(pick_text(body, "error", "message") and "request_id" in body), reply.words())
    return f"{reply.status} {kind}"


def _kinds(message: Any) -> list[str]:
    return [pick_text(block, "type") for block in pick(message, "content")]


CHECKS = (
    Check("messages: answer", "19 as the only block", answer),
    Check("messages: thinking", "a thought, then 19", thinking),
    Check("messages: stream", "message_start … message_stop, deltas that make the text", stream),
    Check("messages: tool call", f"{tools.NAME} with Paris", call),
    Check("messages: counted picture", "right, and as many tokens as counted", counted_picture),
    Check("messages: error", "404 not_found_error in its envelope", error),
)
