"""How answers are shown to Anthropic's clients: a message of blocks, whole or as named events.

Text stays the JSON string that the engine sent. A call's arguments are held back until they are
whole: clients parse every piece of them, and only an object is an input.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from serving.gateway import envelope
from serving.gateway.answer import Answer, Call, Choice, Event, StreamChoice, Usage, said
from serving.gateway.dialect import Dialect
from serving.gateway.errors import GatewayError
from serving.gateway.stream import DATA, EVENT_END
from serving.gateway.view import Asked, openrouter_usage

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
THINKING: Final = "thinking"
TEXT: Final = "text"
TOOL_USE: Final = "tool_use"
STOP_REASONS: Final = {"length": "max_tokens", "content_filter": "refusal"}
# Anthropic's own word, in its guide to tools, for what a model wrote instead of an object.
INVALID: Final = "INVALID_JSON"
COST_FIELDS: Final = ("cost", "is_byok", "cost_details")

Block = dict[str, Any]


class MessagesView:
    """Shows one message; `omit_thought` leaves the thought's block empty.

    Where `asked.hide_thought` is set there is no such block.
    """

    comment = PING

    def __init__(self, asked: Asked, dialect: Dialect, *, omit_thought: bool = False) -> None:
        self._asked = asked
        self._dialect = dialect
        self._omit_thought = omit_thought
        self._signature = f"sig_{asked.short_id}"
        self._blocks = _Blocks(self._signature)
        self._last: StreamChoice | None = None
        self._started = False
        self.id = f"msg_{asked.short_id}"

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole message."""
        choice = msgspec.json.decode(body, type=Answer).choices[0]
        message = choice.message
        content: list[Block] = []
        if message.reasoning and not self._asked.hide_thought:
            thought = "" if self._omit_thought else message.reasoning
            content.append(_thinking(thought, self._signature))
        if message.content:
            content.append(_text(message.content))
        calls = [_tool_use(call, call.function.arguments) for call in message.tool_calls or ()]
        shown = self._message() | {
            "content": content + calls or [_text("")],
            **_ending(choice, [block["input"] for block in calls]),
            "usage": self._usage(usage or Usage()),
        }
        return msgspec.json.encode(shown)

    def events(self, block: bytes) -> bytes:
        """Return the engine's events as those of blocks."""
        shown = [self._start()]
        for line in block.split(EVENT_END):
            if line.startswith(DATA):
                for choice in _EVENT.decode(line[len(DATA) :]).choices:
                    shown += self._pieces(choice)
        return b"".join(shown)

    def end(self, usage: Usage | None) -> bytes:
        """Return what follows the last text."""
        shown = [self._start(), self._blocks.close()]
        if not self._blocks.count:
            shown += self._blocks.begin(TEXT), self._blocks.close()
        ending = _ending(self._last, self._blocks.inputs)
        shown += (
            _event("message_delta", delta=ending, usage=self._usage(usage or Usage())),
            _event("message_stop"),
        )
        return b"".join(shown)

    def error(self, error: GatewayError) -> bytes:
        """Return the one event that ends a broken stream."""
        body = envelope.anthropic(error, self._asked.request_id)
        return b"event: error\ndata: %s\n\n" % body

    def _start(self) -> bytes:
        """Return the first event, once; the engine counts the prompt only at the end."""
        if self._started:
            return b""
        self._started = True
        nothing = {"input_tokens": 0, "output_tokens": 0}
        return _event("message_start", message=self._message() | {"usage": nothing})

    def _pieces(self, choice: StreamChoice) -> list[bytes]:
        delta, blocks = choice.delta, self._blocks
        pieces: list[bytes] = []
        if said(delta.reasoning) and not self._asked.hide_thought:
            pieces.append(blocks.begin(THINKING))
            if not self._omit_thought:
                pieces.append(blocks.add(delta.reasoning))
        if said(delta.content):
            pieces += blocks.begin(TEXT), blocks.add(delta.content)
        pieces += [blocks.call(piece) for piece in delta.tool_calls or ()]
        if choice.finish_reason is not None:
            self._last = choice
        return pieces

    def _message(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _usage(self, usage: Usage) -> dict[str, Any]:
        details: dict[str, Any] = {"thinking_tokens": usage.reasoning}
        if usage.reasoning_budget_hit:
            details["reasoning_budget_hit"] = True
        shown = {
            "input_tokens": usage.prompt_tokens - usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": usage.output,
            "output_tokens_details": details,
        }
        if self._dialect.is_openrouter:
            costs = openrouter_usage(usage)
            shown |= {name: costs[name] for name in COST_FIELDS}
        return shown


class _Blocks:
    """The blocks of a stream, one after the other; `inputs` are those of its calls so far."""

    def __init__(self, signature: str) -> None:
        self.count = 0
        self.inputs: list[dict[str, Any]] = []
        self._signature = signature
        self._kind: str | None = None
        self._head = b""
        self._call = -1
        self._arguments: list[str] = []

    def begin(self, kind: str) -> bytes:
        """Begin a block of thought or text unless it is open."""
        if self._kind == kind:
            return b""
        self._head = (
            b"event: content_block_delta\n"
            b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"%s_delta","%s":'
        ) % (self.count, kind.encode(), kind.encode())
        return self._open(_thinking("", "") if kind == THINKING else _text(""))

    def add(self, text: Raw) -> bytes:
        """Add to the open block of thought or text."""
        return b"%s%s}}\n\n" % (self._head, text)

    def call(self, piece: Call) -> bytes:
        """Take in a piece of a call; the first one of each begins its block."""
        begin = b""
        if self._kind != TOOL_USE or piece.index != self._call:
            begin = self._open(_tool_use(piece, None))
            self._call, self._arguments = piece.index, []
        self._arguments.append(piece.function.arguments or "")
        return begin

    def close(self) -> bytes:
        """End the open block, if any, with what it has held back."""
        kind, self._kind = self._kind, None
        if kind is None:
            return b""
        rest = b""
        if kind == THINKING:
            rest = self._delta("signature_delta", signature=self._signature)
        elif kind == TOOL_USE:
            self.inputs.append(_input("".join(self._arguments)))
            whole = msgspec.json.encode(self.inputs[-1]).decode()
            rest = self._delta("input_json_delta", partial_json=whole)
        return rest + _event("content_block_stop", index=self.count - 1)

    def _open(self, block: Block) -> bytes:
        before = self.close()
        self._kind = block["type"]
        self.count += 1
        return before + _event("content_block_start", index=self.count - 1, content_block=block)

    def _delta(self, kind: str, **fields: str) -> bytes:
        delta = {"type": kind, **fields}
        return _event("content_block_delta", index=self.count - 1, delta=delta)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (
        kind.encode(),
        msgspec.json.encode({"type": kind} | fields),
    )


def _text(text: str) -> Block:
    return {"type": TEXT, "text": text}


def _thinking(thought: str, signature: str) -> Block:
    return {"type": THINKING, "thinking": thought, "signature": signature}


def _tool_use(call: Call, arguments: str | None) -> Block:
    named = {"id": call.id, "name": call.function.name}
    return {"type": TOOL_USE, **named, "input": _input(arguments or "")}


def _input(arguments: str) -> dict[str, Any]:
    """Return a call's input: an object, whatever the model wrote."""
    try:
        return _OBJECT.decode(arguments.strip() or "{}")
    except (msgspec.MsgspecError, RecursionError):
        return {INVALID: arguments}


def _ending(
    choice: Choice | StreamChoice | None, inputs: list[dict[str, Any]]
) -> dict[str, str | None]:
    """Return why the message ended.

    A stop text may have cut a call short, which then must not run.
    """
    reason = choice and choice.finish_reason
    stop = choice and choice.stop_reason
    if reason in STOP_REASONS:
        return {"stop_reason": STOP_REASONS[reason], "stop_sequence": None}
    if isinstance(stop, str) and (not inputs or INVALID in inputs[-1]):
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    return {"stop_reason": TOOL_USE if inputs else "end_turn", "stop_sequence": None}


_EVENT = msgspec.json.Decoder(Event)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
