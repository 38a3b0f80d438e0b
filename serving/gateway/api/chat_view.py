"""How chat answers are shown: OpenAI's form, and OpenRouter's with its additions.

Streams are changed by byte search alone: JSON escapes every quote inside a string, so a pattern
that holds quotes finds keys and never text.
"""

import re
from typing import Any, Final

import msgspec

from serving.gateway.answer import Answer, Choice, Usage
from serving.gateway.dialect import OPENROUTER, Dialect
from serving.gateway.envelope import openrouter_fields
from serving.gateway.errors import GatewayError
from serving.gateway.stream import DATA, END, EVENT_END, FINISH, REASONING
from serving.gateway.view import FINISH_REASONS, Asked, openai_usage, openrouter_usage

TEXT: Final = rb'"(?:[^"\\]|\\.)*+"'
THOUGHT: Final = re.compile(rb'"reasoning":(' + TEXT + rb")", re.DOTALL)
REASON: Final = re.compile(rb'"finish_reason":"([a-z_]+)"')
END_OF_THOUGHT: Final = list(b"</think>")  # a token's bytes; its name may be its number
OBJECT: Final = b'"object":"chat.completion.chunk"'
PROVIDER: Final = "qwen3-vl-serving"
LOGPROBS: Final = b'"logprobs":{'
# An event that only thinks has none of these.
ANSWERS: Final = (b'"content":"', b'"tool_calls":', FINISH, LOGPROBS)


class ChatView:
    """Shows one chat answer; `alias` repeats the thought as reasoning_content."""

    def __init__(self, asked: Asked, dialect: Dialect, *, alias: bool, show_usage: bool) -> None:
        self.comment = dialect.comment
        self._asked = asked
        self._dialect = dialect
        self._alias = alias
        self._show_usage = show_usage
        self._openrouter = dialect is OPENROUTER
        self._engine_id = b'"id":"chatcmpl-%s"' % asked.request_id.encode()
        self._answering: set[int] = set()  # the choices whose logprobs are past the thought
        self.id = f"{'gen' if self._openrouter else 'chatcmpl'}-{asked.short_id}"

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole answer."""
        answer = msgspec.json.decode(body, type=Answer)
        shown = self._head("chat.completion") | {
            "system_fingerprint": None,
            "choices": [self._choice(choice) for choice in answer.choices],
            "usage": self._usage(usage or Usage()),
        }
        return msgspec.json.encode(shown)

    def events(self, block: bytes) -> bytes:
        """Return the engine's events with this dialect's names and additions."""
        if self._asked.hide_thought and LOGPROBS in block:
            block = EVENT_END.join(map(self._with_answers_logprobs, block.split(EVENT_END)))
        if REASONING in block:
            block = self._thoughts(block)
        if FINISH in block:
            block = REASON.sub(self._reason, block)
        block = block.replace(self._engine_id, b'"id":"%s"' % self.id.encode())
        if self._openrouter:
            block = block.replace(OBJECT, OBJECT + b',"provider":"%s"' % PROVIDER.encode())
        return block

    def end(self, usage: Usage | None) -> bytes:
        """Return the usage event, where it is shown, and the end mark."""
        if usage is None or not self._show_usage:
            return END
        event = self._head("chat.completion.chunk") | {
            "choices": [],
            "usage": self._usage(usage),
        }
        return b"data: " + msgspec.json.encode(event) + b"\n\n" + END

    def error(self, error: GatewayError) -> bytes:
        """Return the one event that ends a broken stream."""
        if not self._openrouter:
            return b"data: " + self._dialect.envelope(error, self._asked.request_id) + b"\n\n"
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "finish_reason": "error",
            "native_finish_reason": "error",
        }
        event = self._head("chat.completion.chunk") | {
            "error": openrouter_fields(error),
            "choices": [choice],
        }
        return b"data: " + msgspec.json.encode(event) + b"\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        head: dict[str, Any] = {
            "id": self.id,
            "object": kind,
            "created": self._asked.created,
            "model": self._asked.model,
        }
        if self._openrouter:
            head["provider"] = PROVIDER
        return head

    def _usage(self, usage: Usage) -> dict[str, Any]:
        return openrouter_usage(usage) if self._openrouter else openai_usage(usage)

    def _choice(self, choice: Choice) -> dict[str, Any]:
        said = choice.message
        message: dict[str, Any] = {"role": "assistant", "content": said.content, "refusal": None}
        message["reasoning"] = thought = None if self._asked.hide_thought else said.reasoning
        if self._alias:
            message["reasoning_content"] = thought
        if self._openrouter and thought:
            message["reasoning_details"] = [{"type": "reasoning.text", "text": thought} | DETAIL]
        if said.tool_calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": c.function} for c in said.tool_calls
            ]
        reason = choice.finish_reason
        shown = {
            "index": choice.index,
            "message": message,
            "logprobs": self._logprobs(choice.index, choice.logprobs),
            "finish_reason": FINISH_REASONS.get(reason or "", reason),
        }
        if self._openrouter:
            shown["native_finish_reason"] = reason
        if choice.stop_reason is not None:
            shown["stop_reason"] = choice.stop_reason
        if choice.token_ids is not None:
            shown["token_ids"] = choice.token_ids
        return shown

    def _logprobs(self, index: int, logprobs: Any) -> Any:
        """Return a choice's next logprobs without those of a hidden thought."""
        if not self._asked.hide_thought or index in self._answering or not logprobs:
            return logprobs
        entries = logprobs.get("content") or []
        for at, entry in enumerate(entries, 1):
            if entry["bytes"] == END_OF_THOUGHT:
                self._answering.add(index)
                return logprobs | {"content": entries[at:]} if entries[at:] else None
        return None

    def _with_answers_logprobs(self, event: bytes) -> bytes:
        if LOGPROBS not in event:
            return event
        decoded = msgspec.json.decode(event.removeprefix(DATA))
        for choice in decoded["choices"]:
            choice["logprobs"] = self._logprobs(choice["index"], choice["logprobs"])
        return DATA + msgspec.json.encode(decoded)

    def _thoughts(self, block: bytes) -> bytes:
        if self._asked.hide_thought:
            return b"".join(map(_without_thought, block.split(EVENT_END)))
        if self._openrouter:
            return THOUGHT.sub(WITH_DETAILS_AND_ALIAS if self._alias else WITH_DETAILS, block)
        return THOUGHT.sub(WITH_ALIAS, block) if self._alias else block

    def _reason(self, match: re.Match[bytes]) -> bytes:
        native = match[1].decode()
        shown = f'"finish_reason":"{FINISH_REASONS.get(native, native)}"'
        if self._openrouter:
            shown += f',"native_finish_reason":"{native}"'
        return shown.encode()


DETAIL: Final = {"signature": None, "id": "reasoning-text-1", "format": "unknown", "index": 0}
WITH_ALIAS: Final = rb'"reasoning":\1,"reasoning_content":\1'
WITH_DETAILS: Final = (
    rb'"reasoning":\1,"reasoning_details":[{"type":"reasoning.text","text":\1,'
    + msgspec.json.encode(DETAIL)[1:]
    + b"]"
)
WITH_DETAILS_AND_ALIAS: Final = WITH_DETAILS + rb',"reasoning_content":\1'


def _without_thought(event: bytes) -> bytes:
    """Return an event without its thought; nothing where it only thinks."""
    if REASONING in event:
        if not any(sign in event for sign in ANSWERS):
            return b""
        event = THOUGHT.sub(b'"reasoning":null', event)
    return event + EVENT_END if event else b""
