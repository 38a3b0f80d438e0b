"""The items of a response's output: a thought, a message, calls, and the events that tell of them.

Text stays the JSON string that the engine sent: an event holds it as it came, and what ends an
item holds the pieces joined.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from serving.gateway.answer import Call

Kind = Literal["reasoning", "message", "function_call"]
Status = Literal["in_progress", "completed", "incomplete"]
PREFIXES: Final = {"reasoning": "rs", "message": "msg", "function_call": "fc"}
# What a piece of an item's text is called in the names of its events.
TEXTS: Final = {
    "reasoning": "reasoning_text",
    "message": "output_text",
    "function_call": "function_call_arguments",
}
# OpenRouter's additions: a thought in no vendor's format, signed by nobody.
OPENROUTER_THOUGHT: Final = {"format": "unknown", "signature": None}

Json = dict[str, Any]


@dataclass(slots=True)
class Item:
    """One item, in the making or whole; `hidden` is a thought that the client is not shown."""

    kind: Kind
    id: str
    index: int
    call: Call | None = None
    hidden: bool = False
    additions: Json = field(default_factory=dict)
    logprobs: list[Json] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> Raw:
        """Return all that was said in it, as a JSON string."""
        return Raw(b'"%s"' % b"".join(self._pieces))

    @property
    def place(self) -> Json:
        """Return what the events about its text name it by."""
        place = {"item_id": self.id, "output_index": self.index}
        return place if self.kind == "function_call" else place | {"content_index": 0}

    @property
    def name(self) -> str:
        """Return the name of the function that it calls."""
        return (self.call.function.name if self.call else None) or ""

    def add(self, text: Raw) -> None:
        """Take in a piece of its text, a JSON string."""
        self._pieces.append(bytes(memoryview(text)[1:-1]))

    def part(self) -> Json:
        """Return its text as a part of its content."""
        part: Json = {"type": TEXTS[self.kind], "text": self.text}
        if self.kind == "message":
            part |= {"annotations": [], "logprobs": self.logprobs}
        return part

    def shown(self, status: Status) -> Json:
        """Return the item; its text is there once it is in progress no more."""
        shown: Json = {"id": self.id, "type": self.kind, "status": status}
        if self.call is not None:
            called = {"call_id": self.call.id or "", "name": self.name, "arguments": self.text}
            return shown | called
        content = [] if self.hidden or status == "in_progress" else [self.part()]
        if self.kind == "reasoning":
            return shown | {"summary": [], "content": content} | self.additions
        return shown | {"role": "assistant", "content": content}


class Output:
    """Builds the output from what is said, one item open at a time, and numbers all events."""

    def __init__(self, short_id: str, *, hides_thought: bool, openrouter: bool) -> None:
        self.items: list[Json] = []
        self._short_id = short_id
        self._hides_thought = hides_thought
        self._additions = OPENROUTER_THOUGHT if openrouter else {}
        self._open: Item | None = None
        self._head = b""
        self._answers = False
        self._events = 0

    @property
    def so_far(self) -> list[Json]:
        """Return the items of an output that breaks off here."""
        return [*self.items, self._open.shown("incomplete")] if self._open else self.items

    def event(self, kind: str, **fields: Any) -> bytes:
        """Return an event under the next number."""
        body = msgspec.json.encode({"type": kind, "sequence_number": self._events, **fields})
        self._events += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), body)

    def think(self, text: Raw) -> bytes:
        """Take in a piece of the thought."""
        item, begin = self._item("reasoning")
        return begin if item.hidden else begin + self._delta(item, text)

    def say(self, text: Raw, logprobs: list[Json]) -> bytes:
        """Take in a piece of the answer, with what is known of its tokens."""
        item, begin = self._item("message")
        item.logprobs += logprobs
        return begin + self._delta(item, text, b',"logprobs":%s' % msgspec.json.encode(logprobs))

    def call_function(self, piece: Call) -> bytes:
        """Take in a piece of a call; the first one of each has its name."""
        item, begin = self._item("function_call", piece)
        arguments = piece.function.arguments
        if not arguments:
            return begin
        return begin + self._delta(item, Raw(msgspec.json.encode(arguments)))

    def end(self, *, cut: bool) -> bytes:
        """End the last item; an answer that was not cut has a message, be it empty."""
        begin = b"" if cut or self._answers else self._begin("message")[1]
        return begin + self._close("incomplete" if cut else "completed")

    def _item(self, kind: Kind, call: Call | None = None) -> tuple[Item, bytes]:
        """Return the item that a piece belongs to, and the events that begin it if it is new."""
        item = self._open
        if item is None or item.kind != kind:
            return self._begin(kind, call)
        if call is not None and item.call is not None and call.index != item.call.index:
            return self._begin(kind, call)
        return item, b""

    def _begin(self, kind: Kind, call: Call | None = None) -> tuple[Item, bytes]:
        before = self._close("completed")
        index = len(self.items)
        item = self._open = Item(kind, f"{PREFIXES[kind]}_{self._short_id}_{index}", index, call)
        if kind == "reasoning":
            item.hidden, item.additions = self._hides_thought, self._additions
        else:
            self._answers = True
        self._head = _delta_head(item)
        added = self.event(
            "response.output_item.added", output_index=index, item=item.shown("in_progress")
        )
        if call is None and not item.hidden:
            added += self.event("response.content_part.added", **item.place, part=item.part())
        return item, before + added

    def _delta(self, item: Item, text: Raw, more: bytes = b"") -> bytes:
        item.add(text)
        number, self._events = self._events, self._events + 1
        return b'%s%d,"delta":%s%s}\n\n' % (self._head, number, text, more)

    def _close(self, status: Status) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        shown = item.shown(status)
        self.items.append(shown)
        return self._said(item) + self.event(
            "response.output_item.done", output_index=item.index, item=shown
        )

    def _said(self, item: Item) -> bytes:
        """Return the events that end an item's text."""
        done = f"response.{TEXTS[item.kind]}.done"
        if item.hidden:
            return b""
        if item.call is not None:
            return self.event(done, **item.place, name=item.name, arguments=item.text)
        part = item.part()
        whole = {name: part[name] for name in ("text", "logprobs") if name in part}
        ended = self.event(done, **item.place, **whole)
        return ended + self.event("response.content_part.done", **item.place, part=part)


def _delta_head(item: Item) -> bytes:
    """Return what all events about pieces of an item's text begin with."""
    kind = f"response.{TEXTS[item.kind]}.delta"
    fields = msgspec.json.encode({"type": kind, **item.place}).removesuffix(b"}")
    return b'event: %s\ndata: %s,"sequence_number":' % (kind.encode(), fields)
