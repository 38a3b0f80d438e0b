"""What the scripted engine plays, as data: events, their pace, and which requests go wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

MODEL = "scripted-reasoner"
# A first token's delay differs from request to request, so that sorted times keep their request.
SPREAD_SECONDS = 0.007
SPREAD_STEPS = 20
END = b"0\r\n\r\n"


class End(StrEnum):
    """How the engine ends a request."""

    WHOLE = "whole"
    HTTP_500 = "http 500"
    CUT = "cut"  # the connection is closed after half of the events
    NO_ANSWER = "no answer"  # the thought fills max_tokens: finish_reason is "length"


@dataclass(frozen=True, slots=True)
class Script:
    """One run's play: `thoughts` events of reasoning, then `answers` events of content.

    Each `stall_every`-th gap takes `stall_seconds`. Of four requests one fails where `failing` is
    set, by HTTP 500 and by a cut stream in turn.
    """

    thoughts: int = 200
    answers: int = 100
    first_seconds: float = 0.2
    gap_seconds: float = 0.01
    stall_every: int = 40
    stall_seconds: float = 0.1
    failing: bool = False

    @property
    def events(self) -> int:
        """Return the number of events with text."""
        return self.thoughts + self.answers

    def end(self, number: int) -> End:
        """Tell how the request of this number ends."""
        if self.failing and number % 4 == 3:
            return End.HTTP_500 if number % 8 == 3 else End.CUT
        return End.WHOLE if self.answers else End.NO_ANSWER

    def gaps(self, number: int) -> Iterator[float]:
        """Yield the seconds before each event of a request."""
        spread = SPREAD_SECONDS * (number % SPREAD_STEPS) if self.gap_seconds else 0.0
        yield self.first_seconds + spread
        for index in range(1, self.events):
            yield self.gap_seconds if index % self.stall_every else self.stall_seconds

    def pieces(self, number: int) -> tuple[bytes, ...]:
        """Return what is sent at each event; the last one ends the stream if it is to be whole."""
        pieces = _pieces(self.thoughts, self.answers)
        return pieces[: self.events // 2] if self.end(number) is End.CUT else pieces


@lru_cache(maxsize=8)
def _pieces(thoughts: int, answers: int) -> tuple[bytes, ...]:
    """Write a stream as vLLM does: the role before the first token, usage and [DONE] at the end."""
    deltas = [{"reasoning": " word", "reasoning_content": " word"}] * thoughts
    deltas += [{"content": " word"}] * answers
    reasons = [None] * (len(deltas) - 1) + ["stop" if answers else "length"]
    pieces = [_chunk(_event(*pair)) for pair in zip(deltas, reasons, strict=True)]
    pieces[0] = _chunk(_event({"role": "assistant", "content": ""}, None)) + pieces[0]
    usage = {
        "prompt_tokens": 64,
        "total_tokens": 64 + len(deltas),
        "completion_tokens": len(deltas),
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }
    pieces[-1] += _chunk(_data({**_FRAME, "choices": [], "usage": usage}))
    pieces[-1] += _chunk(b"data: [DONE]\n\n") + END
    return tuple(pieces)


_FRAME = {
    "id": "chatcmpl-00000000-0000-4000-8000-000000000000",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": MODEL,
}


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data({**_FRAME, "choices": [choice]})


def _data(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
