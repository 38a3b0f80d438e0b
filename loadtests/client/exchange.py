"""What one request has shown so far: times, text and counts, taken in event by event; no I/O."""

from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET, Raw, UnsetType

from loadtests.client.usage import Usage, read_usage
from loadtests.outcome import Outcome

MAX_KEPT_CHARACTERS = 1 << 20
MAX_CALLS = 128


class Function(msgspec.Struct, gc=False):
    """A piece of a call's name or of its arguments."""

    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct):
    """What an event adds to the tool call of this index."""

    index: int = 0
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct):
    """What an event adds; endpoints name the thought `reasoning` or `reasoning_content`."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    """One of the answers within an event."""

    delta: Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class Event(msgspec.Struct):
    """One event of a chat stream, as far as it is read."""

    choices: list[Choice] | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


@dataclass(slots=True)
class Exchange:
    """What one request has shown so far; times are `perf_counter` seconds, None where not seen."""

    sent: float = 0.0
    uploaded: float | None = None
    headers: float | None = None
    first_byte: float | None = None
    first_token: float | None = None
    first_reasoning: float | None = None
    first_answer: float | None = None
    last_token: float | None = None
    done: float | None = None
    outcome: Outcome = Outcome.CENSORED
    detail: str = ""
    status: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    request_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    fragments: int = 0
    body_bytes: int = 0
    gaps_us: list[int] = field(default_factory=list)  # from each event with text to the next
    _answer: list[str] = field(default_factory=list)
    _kept_characters: int = 0
    _calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def observe(self, event: Event, now: float) -> None:
        """Take in one event that arrived at `now`."""
        self.model = event.model or self.model
        self.fingerprint = event.system_fingerprint or self.fingerprint
        for choice in event.choices or ():
            if choice.delta is not None:
                self._observe_delta(choice.delta, now)
            self.finish_reason = choice.finish_reason or self.finish_reason
        if event.usage is not UNSET and bytes(event.usage) != b"null":
            self.usage = read_usage(bytes(event.usage))

    def _observe_delta(self, delta: Delta, now: float) -> None:
        reasoning = delta.reasoning or delta.reasoning_content
        answer, calls = delta.content, delta.tool_calls
        if not (reasoning or answer or calls):
            return
        self.fragments += 1
        if self.last_token is None:
            self.first_token = now
        else:
            # Differences of whole microseconds: added up, they give each event's own time again.
            self.gaps_us.append(int(now * 1e6) - int(self.last_token * 1e6))
        self.last_token = now
        if reasoning and self.first_reasoning is None:
            self.first_reasoning = now
        if self.first_answer is None and (calls or (answer and not answer.isspace())):
            self.first_answer = now
        if answer and self._has_room(answer):
            self._answer.append(answer)
        for piece in calls or ():
            self._join(piece)

    def _has_room(self, text: str) -> bool:
        self._kept_characters += len(text)
        return self._kept_characters <= MAX_KEPT_CHARACTERS

    def _join(self, piece: CallPiece) -> None:
        if piece.index not in self._calls and len(self._calls) >= MAX_CALLS:
            return
        call = self._calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = piece.id or call["id"]
        function = piece.function or Function()
        name, arguments = function.name or "", function.arguments or ""
        if self._has_room(name + arguments):
            call["name"] += name
            call["arguments"] += arguments

    @property
    def answer(self) -> str:
        """Return the answer's text, of a very long one the beginning."""
        return "".join(self._answer)

    @property
    def tool_calls(self) -> str:
        """Return the tool calls as JSON text of a list, each with id, name and arguments."""
        return msgspec.json.encode([self._calls[i] for i in sorted(self._calls)]).decode()
