"""Asks the running endpoint in any of its dialects, whole or streamed, into one form of reply."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

CHAT, COMPLETIONS = "/chat/completions", "/completions"
RESPONSES, MESSAGES = "/responses", "/messages"
COUNT_TOKENS = "/messages/count_tokens"
THOUGHT_END = "</think>"
# What the tiny model's template makes of one question: the prompt of a plain completion.
TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n"
# Reasons to end, as chat completions say them.
REASONS = {
    "completed": "stop",
    "incomplete": "length",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """One answer: thought, text and called functions apart, whichever endpoint it came from."""

    thought: str
    text: str
    finish_reason: str | None
    calls: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return all that was said."""
        return self.thought + self.text


@dataclass(frozen=True)
class Reply:
    """What came back for one request; `events` counts those of a stream."""

    status: int
    body: Json
    choices: tuple[Choice, ...] = ()
    events: int = 0

    @property
    def only(self) -> Choice:
        """Return the one answer there is."""
        [choice] = self.choices
        return choice

    @property
    def tokens(self) -> int:
        """Return the output's tokens."""
        usage = self.body["usage"]
        count: int = usage.get("completion_tokens", usage.get("output_tokens"))
        return count

    @property
    def thought_tokens(self) -> int:
        """Return the thought's tokens."""
        usage = self.body["usage"]
        details = usage.get("completion_tokens_details") or usage["output_tokens_details"]
        count: int = details.get("reasoning_tokens", details.get("thinking_tokens"))
        return count


class Asking:
    """One connection to the endpoint."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._known: dict[str, Reply] = {}

    def __call__(self, path: str, **fields: Any) -> Reply:
        """Ask on a path below /v1; `question` and `max_tokens` are put as the path takes them."""
        reply = self._known[_key(path, fields)] = self._reply(path, fields)
        return reply

    def once(self, path: str, **fields: Any) -> Reply:
        """Ask, or return what the same question was answered last."""
        return self._known.get(_key(path, fields)) or self(path, **fields)

    def _reply(self, path: str, fields: Json) -> Reply:
        response = self._client.post(f"/v1{path}", json=_put(path, **fields))
        if response.status_code != 200:
            return Reply(response.status_code, response.json())
        if not response.headers["content-type"].startswith("text/event-stream"):
            body = response.json()
            return Reply(200, body, tuple(_choices(body)))
        lines = [line for line in response.text.split("\n") if line.startswith("data: {")]
        events = [json.loads(line.removeprefix("data: ")) for line in lines]
        body = _joined(events)
        return Reply(200, body, tuple(_choices(body)), len(events))


def _key(path: str, fields: Json) -> str:
    return json.dumps([path, fields], sort_keys=True)


def _put(path: str, question: str = "", **fields: Any) -> Json:
    if path == RESPONSES and "max_tokens" in fields:
        fields.setdefault("max_output_tokens", fields.pop("max_tokens"))
    asked: Json = {"messages": [{"role": "user", "content": question}]}
    if path == RESPONSES:
        asked = {"input": question}
    if path == COMPLETIONS:
        asked = {"prompt": TEMPLATE.format(question)}
    return asked | fields


def _choices(body: Json) -> Iterator[Choice]:
    if "input_tokens" in body:
        return
    if "output" in body:
        yield _response(body)
    elif "content" in body:
        yield _message(body)
    else:
        yield from map(_choice, body["choices"])


def _choice(raw: Json) -> Choice:
    if "text" in raw:
        before, end, after = raw["text"].partition(THOUGHT_END)
        thought, text = (before, after.lstrip("\n")) if end else ("", before)
        return Choice(thought, text, raw["finish_reason"], (), raw)
    said = raw["message"]
    names = tuple(call["function"]["name"] for call in said.get("tool_calls") or ())
    thought, text = said.get("reasoning") or "", said.get("content") or ""
    return Choice(thought, text, raw["finish_reason"], names, raw)


def _response(body: Json) -> Choice:
    said = {"reasoning": "", "message": ""}
    for item in body["output"]:
        for part in item.get("content", ()):
            said[item["type"]] += part["text"]
    names = tuple(item["name"] for item in body["output"] if item["type"] == "function_call")
    return Choice(said["reasoning"], said["message"], REASONS[body["status"]], names, body)


def _message(body: Json) -> Choice:
    thought = "".join(block.get("thinking", "") for block in body["content"])
    text = "".join(block.get("text", "") for block in body["content"])
    names = tuple(block["name"] for block in body["content"] if block["type"] == "tool_use")
    return Choice(thought, text, REASONS[body["stop_reason"]], names, body)


def _joined(events: list[Json]) -> Json:
    """Put a stream together by its dialect's own rules."""
    if "response" in events[-1]:
        body: Json = events[-1]["response"]
        return body
    return _joined_message(events) if "type" in events[0] else _joined_choices(events)


def _joined_message(events: list[Json]) -> Json:
    body: Json = events[0]["message"] | {"content": []}
    for event in events:
        match event["type"]:
            case "content_block_start":
                body["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                block, delta = body["content"][event["index"]], event["delta"]
                for name in delta.keys() & {"thinking", "text"}:
                    block[name] += delta[name]
            case "message_delta":
                body |= event["delta"] | {"usage": event["usage"]}
    return body


def _joined_choices(events: list[Json]) -> Json:
    body: Json = {name: value for name, value in events[0].items() if name != "choices"}
    choices: dict[int, Json] = {}
    for event in events:
        if event.get("usage"):
            body["usage"] = event["usage"]
        for piece in event["choices"]:
            choice = choices.setdefault(piece["index"], {"index": piece["index"]})
            if "delta" in piece:
                _append(choice.setdefault("message", {}), piece["delta"])
            else:
                choice["text"] = choice.get("text", "") + piece["text"]
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
    return body | {"choices": [choices[index] for index in sorted(choices)]}


def _append(message: Json, delta: Json) -> None:
    for piece in delta.get("tool_calls", ()):
        calls = message.setdefault("tool_calls", [])
        if piece["index"] == len(calls):
            calls.append({"function": {"name": piece["function"]["name"]}})
    for name in ("reasoning", "content"):
        message[name] = message.get(name, "") + (delta.get(name) or "")
