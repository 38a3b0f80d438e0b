"""HTTP/1.1 responses: a head, and a body cut out of its framing as it arrives; no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

MAX_HEAD_BYTES = 65536
MAX_HEADS = 16  # of interim responses and the final one
MAX_LENGTH_DIGITS = 18
MAX_SIZE_LINE_BYTES = 1024
CRLF = b"\r\n"


class BadResponse(Exception):
    """What arrived is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and header fields of a response, names in lower case."""

    status: int
    fields: Mapping[str, str]
    keeps_alive: bool

    @property
    def media_type(self) -> str:
        """Return the content's type without its parameters."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower()


class Body(Protocol):
    """Takes the framing off a body, however it is cut into pieces."""

    complete: bool

    def feed(self, data: bytes) -> bytes:
        """Return the content in the next bytes; raises BadResponse."""
        ...


def split_head(received: bytes) -> tuple[Head, bytes] | None:
    """Cut the final head off what has arrived; None while it is not whole; raises BadResponse."""
    rest = received
    for _ in range(MAX_HEADS):
        head, blank, rest = rest.partition(b"\r\n\r\n")
        if not (head.startswith(b"HTTP/1.") or b"HTTP/1.".startswith(head)):
            raise BadResponse(f"not HTTP/1.1: {head[:60].decode(errors='replace')}")
        if len(head) > MAX_HEAD_BYTES:
            raise BadResponse(f"a response head of more than {MAX_HEAD_BYTES} bytes")
        if not blank:
            return None
        parsed = _parse_head(head.decode("latin-1"))
        if parsed.status >= HTTPStatus.OK:
            return parsed, rest
    raise BadResponse(f"{MAX_HEADS} interim responses and no final one")


def _parse_head(text: str) -> Head:
    line, *lines = text.split("\r\n")
    version, _, rest = line.partition(" ")
    status = rest[:3]
    if not status.isdecimal():
        raise BadResponse(f"no status in {line[:60]!r}")
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    stays = version != "HTTP/1.0" and fields.get("connection", "").lower() != "close"
    return Head(int(status), fields, stays)


def body_of(head: Head) -> Body:
    """Return what takes the framing off this response's body; raises BadResponse."""
    if "chunked" in head.fields.get("transfer-encoding", "").lower():
        return ChunkedBody()
    length = head.fields.get("content-length", "")
    if length and not (length.isdecimal() and len(length) <= MAX_LENGTH_DIGITS):
        raise BadResponse(f"a content-length of {length[:60]!r}")
    empty = head.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    return PlainBody(0 if empty else int(length) if length else None)


class PlainBody:
    """A body of known length, or one that lasts until the connection closes (None)."""

    def __init__(self, length: int | None) -> None:
        self._left = length
        self.complete = length == 0

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that belong to the body."""
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        self.complete = self._left == 0
        return data


class ChunkedBody:
    """A body in transfer chunks."""

    def __init__(self) -> None:
        self.complete = False
        self._rest = b""  # the beginning of a line
        self._left = 0  # bytes of the running chunk, its line end included
        self._ended = False  # the last chunk came; trailer fields may follow

    def feed(self, data: bytes) -> bytes:
        """Return the content in the next bytes; raises BadResponse."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        pieces, at, end = [], 0, len(data)
        while at < end and not self.complete:
            if self._left:
                pieces.append(data[at : at + max(0, self._left - 2)])
                taken = min(self._left, end - at)
                at, self._left = at + taken, self._left - taken
                continue
            line_end = data.find(CRLF, at)
            if line_end < 0:
                self._rest = data[at:]
                self._bound_line()
                break
            self._line(data[at:line_end])
            at = line_end + 2
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, line: bytes) -> None:
        """Take the line with a chunk's size, or one of the trailer."""
        if self._ended:
            self.complete = not line
            return
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            raise BadResponse(f"no chunk size in {line[:60]!r}")
        self._ended = size == 0
        self._left = size + 2 if size else 0

    def _bound_line(self) -> None:
        if len(self._rest) > MAX_SIZE_LINE_BYTES:
            raise BadResponse(f"a chunk's size of more than {MAX_SIZE_LINE_BYTES} bytes")
