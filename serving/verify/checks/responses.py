"""OpenAI's Responses API, which keeps no state here."""

from typing import Any

from serving.verify.answer import MAX_TOKENS, SUM, expect_sum
from serving.verify.check import Check
from serving.verify.checks import tools
from serving.verify.checks.refusals import expect_error
from serving.verify.client import DONE, Endpoint
from serving.verify.verdict import expect, pick, pick_text

PATH = "/v1/responses"


def request(endpoint: Endpoint, **fields: Any) -> dict[str, Any]:
    """Write a request for the sum, or for what `fields` say."""
    common = {"model": endpoint.model, "max_output_tokens": MAX_TOKENS, "temperature": 0}
    return {"input": SUM, **common, **fields}


def output_text(response: Any) -> str:
    """Return the text of a response's messages."""
    return "".join(
        pick_text(part, "text")
        for item in pick(response, "output")
        if pick(item, "type") == "message"
        for part in pick(item, "content")
        if pick(part, "type") == "output_text"
    )


async def answer(endpoint: Endpoint) -> str:
    """A response is complete: the thought as an item of its own, the text, the counts."""
    response = (await endpoint.post(PATH, request(endpoint))).answered()
    text = output_text(response)
    expect_sum(text)
    status = pick(response, "status")
    expect((pick(response, "object"), status) == ("response", "completed"), f"status {status}")
    kinds = [pick(item, "type") for item in pick(response, "output")]
    wanted = ["reasoning", "message"] if endpoint.thinks else ["message"]
    expect(kinds == wanted, f"output {kinds}")
    usage = pick(response, "usage")
    taken, given, total = (pick(usage, f"{n}_tokens") for n in ("input", "output", "total"))
    reasoning = pick(usage, "output_tokens_details", "reasoning_tokens")
    seen = f"{text}; {taken} + {given} = {total}, of which {reasoning} thought"
    expect(taken + given == total and (reasoning > 0) == endpoint.thinks, seen)
    return seen


async def stream(endpoint: Endpoint) -> str:
    """Events carry the text in pieces, in order, and the last one the whole response."""
    events = [
        event.data async for event in endpoint.events(PATH, request(endpoint)) if event.data != DONE
    ]
    kinds = [pick_text(event, "type") for event in events]
    ends = (kinds[0], kinds[-1]) if kinds else ("nothing", "nothing")
    expect(ends == ("response.created", "response.completed"), f"from {ends[0]} to {ends[1]}")
    numbers = [pick(event, "sequence_number") for event in events]
    expect(numbers == sorted(set(numbers)), f"sequence numbers {numbers}")
    pieces = [
        e["delta"]
        for e, kind in zip(events, kinds, strict=True)
        if kind == "response.output_text.delta"
    ]
    text = output_text(pick(events[-1], "response"))
    expect("".join(pieces) == text, f"deltas {''.join(pieces)!r}, at the end {text!r}")
    expect_sum(text)
    return f"{text} in {len(events)} events"


async def call(endpoint: Endpoint) -> str:
    """A tool call is an item with its name and arguments."""
    tool = {
        "type": "function",
        "name": tools.NAME,
        "description": tools.DESCRIPTION,
        "parameters": tools.PARAMETERS,
    }
    body = request(endpoint, input=tools.QUESTION, tools=[tool])
    response = (await endpoint.post(PATH, body)).answered()
    calls = [item for item in pick(response, "output") if pick(item, "type") == "function_call"]
    expect(len(calls) == 1, f"{len(calls)} calls; text: {output_text(response)}")
    return tools.expect_weather_call(pick_text(calls[0], "name"), pick_text(calls[0], "arguments"))


async def no_state(endpoint: Endpoint) -> str:
    """Nothing is kept, so that nothing can be gone on with."""
    reply = await endpoint.post(PATH, request(endpoint, previous_response_id="resp_1"))
    seen = expect_error(reply, 400, "unsupported_parameter")
    param = pick(reply.json(), "error", "param")
    expect(param == "previous_response_id", f"param {param}; {seen}")
    return seen


CHECKS = (
    Check("responses: answer", "19, the thought an item of its own", answer),
    Check("responses: stream", "created … completed, deltas that make the text", stream),
    Check("responses: tool call", f"{tools.NAME} with Paris", call),
    Check("responses: no state", "400 unsupported_parameter, previous_response_id", no_state),
)
