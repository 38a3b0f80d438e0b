"""W3C Trace Context: where a request stands among the spans of other programs. Pure.

Source of every rule here: https://www.w3.org/TR/trace-context-2/.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

Headers = Sequence[tuple[bytes, bytes]]

# Version, trace, span and flags, each of its length in lower case, and neither id all zero. What
# follows in a version to come is not ours to judge; version ff there will never be.
TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?"
)
VERSION_0_BYTES: Final = 55
MEMBER: Final = re.compile(
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})="
    rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
MAX_MEMBERS: Final = 32

SAMPLED: Final = 0x01
RANDOM: Final = 0x02  # the trace's id is
KNOWN_FLAGS: Final = SAMPLED | RANDOM


class TraceContext(NamedTuple):
    """One span as other programs are told of it, by two headers that keep the standard's rules."""

    traceparent: str
    tracestate: str = ""

    @classmethod
    def of(cls, trace_id: str, span_id: str, *, sampled: bool) -> Self:
        """Return the context of a span in a new trace; ids are random, 32 and 16 hexadecimals."""
        return cls(f"00-{trace_id}-{span_id}-{RANDOM | (SAMPLED * sampled):02x}")

    @property
    def trace_id(self) -> str:
        """Return the trace's id, 32 hexadecimals."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """Return the span's id, 16 hexadecimals."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """Return the flags that are known."""
        return int(self.traceparent[53:55], 16) & KNOWN_FLAGS

    @property
    def sampled(self) -> bool:
        """Say whether who sent it keeps its span."""
        return bool(self.flags & SAMPLED)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that tell of the span."""
        told = {"traceparent": self.traceparent}
        return told | {"tracestate": self.tracestate} if self.tracestate else told

    def within(self, span_id: str) -> Self:
        """Return the context of another span of the same trace."""
        return self._replace(traceparent=f"00-{self.trace_id}-{span_id}-{self.flags:02x}")


class Place(NamedTuple):
    """A request's place in a trace; it stands before there is a span, for the engine is told.

    `context` is of the call of the engine: what the engine's own spans hang under. `span_id` is of
    the request, empty where it is not traced here.
    """

    context: TraceContext
    span_id: str = ""
    parent: TraceContext | None = None


def read_context(headers: Headers) -> TraceContext | None:
    """Return the context that a request's headers tell, None for none or a malformed one."""
    given = [value for name, value in headers if name == b"traceparent"]
    if len(given) != 1 or not TRACEPARENT.fullmatch(given[0]):
        return None
    parent = given[0]
    if parent.startswith(b"00") and len(parent) != VERSION_0_BYTES:
        return None
    return TraceContext(parent.decode(), _read_state(headers))


def _read_state(headers: Headers) -> str:
    """Return what programs on the way have noted, nothing if any of it is malformed."""
    listed = b",".join(value for name, value in headers if name == b"tracestate").split(b",")
    members = [member for member in (each.strip(b" \t") for each in listed) if member]
    matches = [MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in matches if match is not None}
    if len(keys) != len(members) or len(members) > MAX_MEMBERS:
        return ""
    return b",".join(members).decode()
