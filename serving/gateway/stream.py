"""Reads along an engine's event stream by byte search, without decoding or changing it."""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from serving.gateway.answer import Usage
from serving.gateway.errors import EngineFailed
from serving.gateway.timeline import EngineTimes

DATA: Final = b"data: "
EVENT_END: Final = b"\n\n"
END: Final = DATA + b"[DONE]\n\n"
COMMENT: Final = b": keep-alive\n\n"  # the engine's sign of life while it is silent
ERROR: Final = DATA + b'{"error":'
NEXT_DATA, NEXT_END, NEXT_ERROR = (b"\n" + line for line in (DATA, END, ERROR))
# An event is one token, or a tool call's arguments at most; more is no event stream of ours.
MAX_EVENT_BYTES: Final = 4 * 2**20

# JSON escapes every quote inside a string, so these byte sequences are keys, never text.
REASONING: Final = b'"reasoning":"'
CONTENT: Final = b'"content":"'
TEXT: Final = b'"text":"'
TOOL_CALLS: Final = b'"tool_calls":[{'
USAGE: Final = b'"usage":{'
NO_CHOICES: Final = b'"choices":[]'
FINISH: Final = b'"finish_reason":"'
# The engine shuts down, or failed: what it said until then is no answer.
BROKEN_OFF: Final = re.compile(rb'"finish_reason":"(?:abort|error)"')


@dataclass(slots=True)
class Seen:
    """What went by so far."""

    events: int = 0
    reasoning: bool = False
    answer: bool = False
    ended: bool = False
    broken_off: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None
    error: bytes | None = None

    @property
    def first_token(self) -> bool:
        """Say whether any token, of thought or answer, went by."""
        return self.reasoning or self.answer


class StreamScan:
    """Follows one stream; holds for any chunking, since only whole events are passed on.

    Comments, the usage event and the end mark are taken out: each dialect has its own. All other
    bytes stay as they are. After the end or an error event nothing more is passed on.
    """

    def __init__(self) -> None:
        self.seen = Seen()
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to pass on; raises EngineFailed for an event without an end."""
        if self.seen.ended or self.seen.error is not None:
            return b""
        if self._rest:
            chunk = self._rest + chunk
        if not chunk.endswith(b"\n\n"):
            cut = chunk.rfind(b"\n\n") + 2 if b"\n\n" in chunk else 0
            self._rest = chunk[cut:]
            if len(self._rest) > MAX_EVENT_BYTES:
                raise EngineFailed("The engine sent an event without an end.")
            chunk = chunk[:cut]
        else:
            self._rest = b""
        return self._scan(chunk) if chunk else b""

    def _scan(self, block: bytes) -> bytes:
        seen = self.seen
        if block.startswith(ERROR) or NEXT_ERROR in block:
            return self._cut_at_error(block)
        if COMMENT in block:  # never within an event, which holds no bare line break
            block = block.replace(COMMENT, b"")
        if NEXT_END in block or block.startswith(END):
            block = block[: block.index(END)]
            seen.ended = True
        seen.events += block.count(NEXT_DATA) + block.startswith(DATA)
        if not seen.reasoning:
            seen.reasoning = _has_text(block, REASONING)
        if not seen.answer:
            seen.answer = _has_text(block, CONTENT) or TOOL_CALLS in block or _has_text(block, TEXT)
        if FINISH in block:
            seen.finish_reason = finish_reason_of(block)
            seen.broken_off = seen.broken_off or is_broken_off(block)
        if USAGE in block:
            block = self._take_usage(block)
        return block

    def _take_usage(self, block: bytes) -> bytes:
        *events, rest = block.split(b"\n\n")
        kept = []
        for event in events:
            if USAGE not in event or NO_CHOICES not in event:
                kept.append(event)
                continue
            self.seen.usage = usage_of(event.removeprefix(DATA)) or self.seen.usage
        return b"".join(event + b"\n\n" for event in kept) + rest

    def _cut_at_error(self, block: bytes) -> bytes:
        start = 0 if block.startswith(ERROR) else block.index(NEXT_ERROR) + 1
        before = self._scan(block[:start]) if start else b""
        if not self.seen.ended:
            self.seen.error = block[start:].split(b"\n", 1)[0].removeprefix(DATA)
        return before


class _Chunk(msgspec.Struct):
    usage: Usage | None = None
    metrics: EngineTimes | None = None


def usage_of(body: bytes) -> Usage | None:
    """Return the usage within a JSON answer or event, None where it cannot be read."""
    try:
        chunk = _USAGE_DECODER.decode(body)
    except msgspec.MsgspecError:
        return None
    if chunk.usage is not None:
        chunk.usage.times = chunk.metrics
    return chunk.usage


_USAGE_DECODER = msgspec.json.Decoder(_Chunk)


def finish_reason_of(body: bytes) -> str | None:
    """Return the last finish reason within an answer or block of events."""
    at = body.rfind(FINISH)
    if at < 0:
        return None
    word, _, _ = body[at + len(FINISH) : at + len(FINISH) + 32].partition(b'"')
    return word.decode("ascii", "replace")


def is_broken_off(body: bytes) -> bool:
    """Tell whether the engine broke off an answer, whole or within a block of events."""
    return BROKEN_OFF.search(body) is not None


def _has_text(block: bytes, key: bytes) -> bool:
    return key in block and block.count(key) > block.count(key + b'"')
