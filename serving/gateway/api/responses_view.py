"""How answers are shown as responses: one object, or the named events that build it up.

A whole answer is the end of the stream that it would have been.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from serving.gateway.answer import Delta, Event, StreamChoice, Usage, said, text_of
from serving.gateway.api.chat_view import END_OF_THOUGHT
from serving.gateway.api.responses_items import Json, Output
from serving.gateway.dialect import Dialect
from serving.gateway.envelope import error_type, openrouter_fields
from serving.gateway.errors import GatewayError
from serving.gateway.stream import DATA, END, EVENT_END
from serving.gateway.view import Asked, openai_usage

CUT: Final = "length"
# OpenAI's codes of a failed response, by OpenRouter's types; all others are server_error.
FAILURES: Final = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "context_length_exceeded": "invalid_prompt",
    "invalid_request": "invalid_prompt",
}


class ResponsesView:
    """Shows one response; `echo` is what it repeats of its request."""

    def __init__(self, asked: Asked, dialect: Dialect, echo: Mapping[str, Any]) -> None:
        self.comment = dialect.comment
        self._openrouter = dialect.is_openrouter
        self._head = {
            "id": f"resp_{asked.short_id}",
            "object": "response",
            "created_at": asked.created,
            "status": "in_progress",
            "model": asked.model,
            "output": [],
            **dict.fromkeys(("error", "incomplete_details", "completed_at", "usage")),
            **echo,
        }
        self._output = Output(
            asked.short_id, hides_thought=asked.hide_thought, openrouter=self._openrouter
        )
        self._logprobs = _AnswerLogprobs()
        self._started = False
        self._finish_reason: str | None = None

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole response."""
        choice = msgspec.json.decode(body, type=_Whole).choices[0]
        for index, call in enumerate(choice.message.tool_calls or ()):
            call.index = index
        self._take(
            StreamChoice(
                choice.message, finish_reason=choice.finish_reason, logprobs=choice.logprobs
            )
        )
        self._output.end(cut=self._finish_reason == CUT)
        return msgspec.json.encode(self._ended(usage))

    def events(self, block: bytes) -> bytes:
        """Return the engine's events as those of a response."""
        shown = [self._start()]
        for line in block.split(EVENT_END):
            if line.startswith(DATA):
                for choice in _EVENT.decode(memoryview(line)[len(DATA) :]).choices:
                    shown += self._take(choice)
        return b"".join(shown)

    def end(self, usage: Usage | None) -> bytes:
        """Return what ends the last item and the stream."""
        begin = self._start() + self._output.end(cut=self._finish_reason == CUT)
        response = self._ended(usage)
        last = self._output.event(f"response.{response['status']}", response=response)
        return begin + last + (END if self._openrouter else b"")

    def error(self, error: GatewayError) -> bytes:
        """Return the event that ends a broken stream, with what was said until then."""
        kind = error_type(error)
        failure = {"code": FAILURES.get(kind, "server_error"), "message": error.message}
        fields = {"status": "failed", "error": failure, "output": self._output.so_far}
        if self._openrouter:
            fields["error_type"] = kind
        return self._start() + self._output.event("response.failed", response=self._head | fields)

    def _start(self) -> bytes:
        """Return the first two events, once."""
        if self._started:
            return b""
        self._started = True
        kinds = ("response.created", "response.in_progress")
        return b"".join(self._output.event(kind, response=self._head) for kind in kinds)

    def _take(self, choice: StreamChoice) -> list[bytes]:
        delta, output = choice.delta, self._output
        shown: list[bytes] = []
        if said(delta.reasoning):
            shown.append(output.think(delta.reasoning))
        logprobs = self._logprobs.take(choice) if choice.logprobs else []
        if said(delta.content):
            shown.append(output.say(delta.content, logprobs))
        shown += [output.call_function(piece) for piece in delta.tool_calls or ()]
        self._finish_reason = choice.finish_reason or self._finish_reason
        return shown

    def _ended(self, usage: Usage | None) -> dict[str, Any]:
        ended: Json = {
            "output": self._output.items,
            "usage": None if usage is None else _usage(usage, openrouter=self._openrouter),
        }
        if self._finish_reason == CUT:
            ended |= {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            }
        else:
            ended |= {"status": "completed", "completed_at": int(time.time())}
        return self._head | ended


def openrouter_envelope(error: GatewayError, request_id: str) -> bytes:
    """Return OpenRouter's error object, with its type where failed responses have it."""
    return msgspec.json.encode({"error": openrouter_fields(error), "error_type": error_type(error)})


def _usage(usage: Usage, *, openrouter: bool) -> Json:
    chat = openai_usage(usage)
    shown: Json = {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {"cache_write_tokens": 0, **chat["prompt_tokens_details"]},
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": chat["completion_tokens_details"],
        "total_tokens": chat["total_tokens"],
    }
    if openrouter:
        shown |= {
            "cost": usage.cost,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": None,
                "upstream_inference_input_cost": usage.prompt_cost,
                "upstream_inference_output_cost": usage.completion_cost,
            },
        }
    return shown


class _AnswerLogprobs:
    """Finds the log probabilities of the answer's own tokens among those of the whole output."""

    def __init__(self) -> None:
        self._pending: list[Json] = []

    def take(self, choice: StreamChoice) -> list[Json]:
        """Return those of an event's text; characters may be made of several events' tokens."""
        entries = self._pending + (choice.logprobs.get("content") or [])
        ends = [at for at, entry in enumerate(entries) if entry["bytes"] == END_OF_THOUGHT]
        if ends:
            entries = entries[ends[0] + 1 :]
        elif said(choice.delta.reasoning):
            entries = []
        self._pending = [] if said(choice.delta.content) else entries
        return _of_text(entries, text_of(choice.delta.content).encode())


def _of_text(entries: list[Json], text: bytes) -> list[Json]:
    """Return the entries whose tokens make up a text; marks and blank lines around it go."""
    kept: list[Json] = []
    at = 0
    for entry in entries:
        token = bytes(entry["bytes"] or ())
        if token and text.startswith(token, at):
            kept.append(entry)
            at += len(token)
    return kept


class _WholeChoice(msgspec.Struct):
    message: Delta
    finish_reason: str | None = None
    logprobs: Any = None


class _Whole(msgspec.Struct):
    choices: list[_WholeChoice]


_EVENT = msgspec.json.Decoder(Event)
