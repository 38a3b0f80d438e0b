"""Asks the running endpoint, whole or streamed, and reads both answers into one form."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

CHAT, COMPLETIONS = "/chat/completions", "/completions"
THOUGHT_END = "</think>"
# What the tiny model's template makes of one question: the prompt of a plain completion.
TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n"

Json = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """One answer: thought and text apart, whichever endpoint it came from."""

    thought: str
    text: str
    finish_reason: str | None
    raw: Json

    @property
    def words(self) -> str:
        """Return all that was said."""
        return self.thought + self.text


@dataclass(frozen=True)
class Reply:
    """What came back for one request; `events` counts those of a stream."""

    status: int
    body: Json
    choices: list[Choice]
    events: int = 0

    @property
    def only(self) -> Choice:
        """Return the one answer there is."""
        [choice] = self.choices
        return choice

    @property
    def tokens(self) -> int:
        """Return the output's tokens."""
        count: int = self.body["usage"]["completion_tokens"]
        return count

    @property
    def thought_tokens(self) -> int:
        """Return the thought's tokens."""
        count: int = self.body["usage"]["completion_tokens_details"]["reasoning_tokens"]
        return count


class Asking:
    """One connection to the endpoint."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(self, path: str, question: str = "", **fields: Any) -> Reply:
        """Ask on a path below /v1; the question is put as the path takes it."""
        if "messages" not in fields and "prompt" not in fields:
            turn = {"role": "user", "content": question}
            fields |= (
                {"messages": [turn]} if path == CHAT else {"prompt": TEMPLATE.format(question)}
            )
        response = self._client.post(f"/v1{path}", json=fields)
        if response.status_code != 200:
            return Reply(response.status_code, response.json(), [])
        if response.headers["content-type"].startswith("text/event-stream"):
            chunks = [
                json.loads(line.removeprefix("data: "))
                for line in response.text.split("\n\n")
                if line.startswith("data: {")
            ]
            body = joined(chunks)
            return Reply(200, body, [_choice(choice) for choice in body["choices"]], len(chunks))
        body = response.json()
        return Reply(200, body, [_choice(choice) for choice in body["choices"]])


def _choice(raw: Json) -> Choice:
    if "message" in raw:
        thought, text = raw["message"].get("reasoning"), raw["message"].get("content")
    else:
        before, end, after = raw["text"].partition(THOUGHT_END)
        thought, text = (before, after.lstrip("\n")) if end else ("", before)
    return Choice(thought or "", text or "", raw["finish_reason"], raw)


def joined(chunks: list[Json]) -> Json:
    """Put a stream together by its own rules: strings are appended, calls merged by index."""
    body: Json = {name: value for name, value in chunks[0].items() if name != "choices"}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        if chunk.get("usage"):
            body["usage"] = chunk["usage"]
        for piece in chunk["choices"]:
            choice = choices.setdefault(piece["index"], {"index": piece["index"]})
            if "delta" in piece:
                _append(choice.setdefault("message", {}), piece["delta"])
            else:
                choice["text"] = choice.get("text", "") + piece["text"]
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
    return body | {"choices": [choices[index] for index in sorted(choices)]}


def _append(message: Json, delta: Json) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault(name, [])
            for piece in value:
                while len(calls) <= piece["index"]:
                    calls.append({"function": {"name": "", "arguments": ""}})
                for key, said in piece["function"].items():
                    calls[piece["index"]]["function"][key] += said or ""
        elif isinstance(value, str) and name != "role":
            message[name] = message.get(name, "") + value
