"""How plain completions are shown: as the engine has them, under our id, with our usage."""

import re
from typing import Any, Final

import msgspec

from serving.gateway.answer import Usage
from serving.gateway.api.chat_view import REASON
from serving.gateway.dialect import OPENROUTER, Dialect
from serving.gateway.errors import GatewayError
from serving.gateway.stream import END, FINISH
from serving.gateway.view import FINISH_REASONS, Asked, openai_usage, openrouter_usage

FIELDS: Final = ("index", "text", "logprobs", "finish_reason", "stop_reason")
TOKEN_IDS: Final = ("token_ids", "prompt_token_ids")


class CompletionView:
    """Shows one completion."""

    def __init__(self, asked: Asked, dialect: Dialect, *, show_usage: bool) -> None:
        self.comment = dialect.comment
        self._asked = asked
        self._dialect = dialect
        self._show_usage = show_usage
        self._openrouter = dialect is OPENROUTER
        self._engine_id = b'"id":"cmpl-%s"' % asked.request_id.encode()
        self.id = f"{'gen' if self._openrouter else 'cmpl'}-{asked.short_id}"

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole answer."""
        choices = msgspec.json.decode(body)["choices"]
        shown = self._head() | {
            "choices": [_choice(choice) for choice in choices],
            "usage": self._usage(usage or Usage()),
        }
        return msgspec.json.encode(shown)

    def events(self, block: bytes) -> bytes:
        """Return the engine's events under our id."""
        if FINISH in block:
            block = REASON.sub(_reason, block)
        return block.replace(self._engine_id, b'"id":"%s"' % self.id.encode())

    def end(self, usage: Usage | None) -> bytes:
        """Return the usage event, where it is shown, and the end mark."""
        if usage is None or not self._show_usage:
            return END
        event = self._head() | {"choices": [], "usage": self._usage(usage)}
        return b"data: " + msgspec.json.encode(event) + b"\n\n" + END

    def error(self, error: GatewayError) -> bytes:
        """Return the one event that ends a broken stream."""
        return b"data: " + self._dialect.envelope(error, self._asked.request_id) + b"\n\n"

    def _head(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self._asked.created,
            "model": self._asked.model,
        }

    def _usage(self, usage: Usage) -> dict[str, Any]:
        return openrouter_usage(usage) if self._openrouter else openai_usage(usage)


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    reason = choice["finish_reason"]
    shown = {name: choice.get(name) for name in FIELDS}
    asked = {name: choice[name] for name in TOKEN_IDS if choice.get(name) is not None}
    return shown | {"finish_reason": FINISH_REASONS.get(reason, reason)} | asked


def _reason(match: re.Match[bytes]) -> bytes:
    native = match[1].decode()
    return b'"finish_reason":"%s"' % FINISH_REASONS.get(native, native).encode()
