"""What tests of responses read them with: views, engine events, and a reader of their streams."""

import json
from typing import Any

import msgspec
import openrouter
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from serving.gateway.answer import Usage
from serving.gateway.api.responses_echo import echo_of
from serving.gateway.api.responses_request import ResponsesRequest
from serving.gateway.api.responses_view import ResponsesView
from serving.gateway.body import Body
from serving.gateway.dialect import OPENAI, Dialect
from serving.gateway.view import Asked
from tests.fake_engine import delta_event

Json = dict[str, Any]

USAGE = msgspec.convert(
    {
        "prompt_tokens": 11,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 4, "multimodal_tokens": {"image": 6}},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
    Usage,
)
SHOWN_USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 4, "image_tokens": 6},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 20,
}
TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\u2028", "data: {}\n\n", "漢🙂", "\n"])
EVENTS = TypeAdapter(ResponseStreamEvent)
OPENROUTER_EVENTS = TypeAdapter(openrouter.components.StreamEvents)
THOUGHT = {
    "id": "rs_abc_0",
    "type": "reasoning",
    "status": "completed",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "hm"}],
}
PART = {"type": "output_text", "text": "red", "annotations": [], "logprobs": []}
MESSAGE = {
    "id": "msg_abc_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [PART],
}


def view(dialect: Dialect = OPENAI, hide: bool = False, **request: Any) -> ResponsesView:
    """Return the view of a request for a response."""
    body = Body(json.dumps({"input": "hi", **request}).encode())
    sent = msgspec.json.decode(body.skeleton, type=ResponsesRequest)
    asked = Asked("req_abc", "tiny-qwen3-vl", 1, hide_thought=hide)
    return ResponsesView(asked, dialect, echo_of(sent, body, {"temperature": 0.5}))


def call(index: int, **fields: Any) -> bytes:
    """Write an event with a piece of a call; the first piece has an id and a name."""
    named = {name: fields.pop(name) for name in ("id", "type") if name in fields}
    return delta_event(tool_calls=[{"index": index, **named, "function": fields}])


def begun(index: int) -> bytes:
    return call(index, id=f"call-{index}", type="function", name=f"f{index}")


def streamed(events: list[bytes], shown: ResponsesView) -> bytes:
    return b"".join(shown.events(each) for each in events) + shown.end(USAGE)


def parsed(stream: bytes) -> list[Json]:
    """Read a stream's events; each has a name that its data repeats, and the next number."""
    events: list[Json] = []
    for block in stream.decode().split("\n\n")[:-1]:
        name, _, data = block.partition("\ndata: ")
        events.append(json.loads(data))
        assert name == f"event: {events[-1]['type']}"
        assert events[-1]["sequence_number"] == len(events) - 1
    return events


def response_of(stream: bytes) -> Json:
    """Return the last event's response, after putting its output together from the others."""
    first, second, *events, last = parsed(stream)
    assert [each["type"] for each in (first, second)] == [
        "response.created",
        "response.in_progress",
    ]
    assert first["response"] == second["response"]
    assert first["response"]["status"] == "in_progress"
    built = Built()
    for each in events:
        built.take(each)
    response: Json = last["response"]
    assert last["type"] == f"response.{response['status']}"
    assert response["output"] == built.output
    return response


class Built:
    """An output as a client builds it; what comes out of turn fails."""

    def __init__(self) -> None:
        self.output: list[Json] = []
        self.open: Json | None = None
        self.text: str | None = None

    def take(self, event: Json) -> None:
        """Take in one event."""
        match event["type"].split("."):
            case ["response", "output_item", "added"]:
                assert self.open is None and event["output_index"] == len(self.output)
                self.open = event["item"]
                assert self.open["status"] == "in_progress"
                assert not self.open.get("content") and not self.open.get("arguments")
                self.text = "" if self.open["type"] == "function_call" else None
            case ["response", "output_item", "done"]:
                assert self.open is not None and event["output_index"] == len(self.output)
                assert event["item"]["id"] == self.open["id"]
                assert self.open | event["item"] == event["item"]
                assert words_of(event["item"]) == (self.text or "")
                self.output.append(event["item"])
                self.open = None
            case _:
                self._take_text(event)

    def _take_text(self, event: Json) -> None:
        assert self.open is not None and event["item_id"] == self.open["id"]
        assert event["output_index"] == len(self.output)
        match event["type"].split("."):
            case ["response", "content_part", "added"]:
                assert self.text is None and event["part"]["text"] == ""
                self.text = ""
            case ["response", _, "delta"]:
                assert self.text is not None and event["delta"]
                self.text += event["delta"]
            case ["response", "content_part", "done"]:
                assert event["part"]["text"] == self.text
            case ["response", "function_call_arguments", "done"]:
                assert event["arguments"] == self.text
            case ["response", _, "done"]:
                assert event["text"] == self.text


def words_of(item: Json) -> str:
    """Return what an item says."""
    if item["type"] == "function_call":
        return str(item["arguments"])
    return "".join(part["text"] for part in item["content"])


def whole(shown: ResponsesView, finish_reason: str = "stop", **fields: Any) -> Json:
    """Show an engine's whole answer."""
    logprobs = fields.pop("logprobs", None)
    message = {"role": "assistant", "content": None, "reasoning": None, **fields}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": logprobs}
    body = shown.whole(json.dumps({"choices": [choice]}).encode(), USAGE)
    return json.loads(body)  # type: ignore[no-any-return]


def tool_calls(*arguments: str) -> list[Json]:
    return [
        {"id": f"call-{n}", "type": "function", "function": {"name": f"f{n}", "arguments": text}}
        for n, text in enumerate(arguments)
    ]
