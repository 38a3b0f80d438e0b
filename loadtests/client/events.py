"""Server-sent events: bytes as they arrive become payloads; no I/O and no clock."""

MAX_EVENT_BYTES = 1 << 20


class EventTooLarge(Exception):
    """One event grew beyond `MAX_EVENT_BYTES`."""


class EventDecoder:
    """Cuts a stream into the `data` of its events, the same for every chunking.

    Lines end in LF or CRLF; comments and other fields are skipped; an event ends at a blank line.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the payloads that this chunk completes."""
        if not (self._rest or self._data) and _is_one_event(chunk):
            return [chunk[6:-2]]
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        payloads = [payload for line in lines if (payload := self._line(line)) is not None]
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return payloads

    def _line(self, line: bytes) -> bytes | None:
        """Take one line; return the event's payload where the line ends an event with data."""
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._size += len(line)
        if line or not self._data:
            return None
        payload = b"\n".join(self._data)
        self._data, self._size = [], 0
        return payload


def _is_one_event(chunk: bytes) -> bool:
    """Tell whether a chunk is a whole event of one line, as nearly all are."""
    end = len(chunk) - 2
    return chunk.startswith(b"data: ") and chunk.find(b"\n") == end and chunk[end + 1 :] == b"\n"
