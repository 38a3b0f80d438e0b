"""A request's body with its long base64 literals cut out, so that only the rest is parsed.

Megabytes of base64 are found by their ends, never decoded, and go to the engine as the slices
they came as.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from serving.gateway.errors import BadRequest

DATA_URL_HEAD: Final = re.compile(rb"data:[^,\"]{0,64};base64,", re.IGNORECASE)
SIGN: Final = re.compile(";base64,", re.IGNORECASE)
MAX_HEAD_CHARACTERS: Final = 80
# Anthropic's base64 source: {"type": "base64", "media_type": …, "data": "iVBORw0…"}.
DATA_FIELD: Final = re.compile(rb'"data"\s*:\s*"\Z')
MAX_FIELD_BYTES: Final = 16
MIN_CUT_BYTES: Final = 4096
# Some milliseconds' worth of hops; what follows so many quotes is parsed as the text it is.
MAX_QUOTES: Final = 100_000

Piece = bytes | memoryview


class Body:
    """JSON whose long literals are replaced by marks that no client can guess.

    Raises BadRequest where what is left, or is restored as text, is longer than its limit.
    """

    def __init__(self, data: bytes | bytearray, max_text_bytes: int | None = None) -> None:
        self._max_text_bytes = max_text_bytes
        self._nonce = secrets.token_hex(8)
        self._mark = re.compile(rb"~%s:(\d+)~" % self._nonce.encode())
        self._cuts: list[memoryview] = []
        view = memoryview(data).toreadonly()
        skeleton: list[Piece] = []
        at = 0
        for start, end in _long_literals(data):
            skeleton += view[at:start], b"~%s:%d~" % (self._nonce.encode(), len(self._cuts))
            self._cuts.append(view[start:end])
            at = end
        skeleton.append(view[at:])
        self._check_length(sum(map(len, skeleton)))
        self.skeleton = b"".join(skeleton)
        self._sent = len(self._cuts)

    def literal(self, text: str) -> tuple[str, Piece]:
        """Split a data: URL or base64 text into its head and the base64 that follows."""
        sign = SIGN.search(text, 0, MAX_HEAD_CHARACTERS)
        start = sign.end() if sign else 0
        tail = text[start:].encode()
        found = self._mark.fullmatch(tail)
        return text[:start], self._cuts[int(found[1])] if found else tail

    def add(self, literal: Piece) -> str:
        """Take a literal in and return the mark that `restore` replaces by it."""
        self._cuts.append(memoryview(literal))
        return f"~{self._nonce}:{len(self._cuts) - 1}~"

    def was_cut(self, part: bytes | Raw) -> bool:
        """Tell whether a literal was cut out of this part of the skeleton."""
        return self._mark.search(part) is not None

    def length(self, text: str) -> int:
        """Return a text's bytes, what was cut from it included."""
        encoded = text.encode()
        if not self._cuts or self._nonce not in text:
            return len(encoded)
        return sum(len(piece) for _, piece in self._pieces(encoded))

    def restore(self, encoded: bytes) -> list[Piece]:
        """Put the literals back into JSON made from the skeleton; nothing is copied.

        A cut that was taken for no medium was not looked into; raises BadRequest if it is no JSON.
        """
        pieces: list[Piece] = []
        text_bytes = 0
        for number, piece in self._pieces(encoded):
            if number < self._sent:
                text_bytes += len(piece)
                self._check_length(text_bytes)
            if 0 <= number < self._sent:
                _check_text(piece)
            pieces.append(piece)
        return pieces

    def hand_over(self, encoded: bytes) -> list[Piece]:
        """Restore for the last time: from now on only the pieces hold the literals."""
        pieces = self.restore(encoded)
        self._cuts.clear()
        return pieces

    def _check_length(self, text_bytes: int) -> None:
        limit = self._max_text_bytes
        if limit is not None and text_bytes > limit:
            raise BadRequest(
                f"The request holds more text than the {limit} bytes that the context could hold. "
                "Shorten the prompt.",
                code="context_length_exceeded",
            )

    def _pieces(self, encoded: bytes) -> Iterator[tuple[int, Piece]]:
        """Yield the text between marks, numbered -1, and the literals that they stand for."""
        at = 0
        for mark in self._mark.finditer(encoded) if self._cuts else ():
            yield -1, encoded[at : mark.start()]
            yield int(mark[1]), self._cuts[int(mark[1])]
            at = mark.end()
        yield -1, encoded[at:]


def _check_text(literal: Piece) -> None:
    try:
        msgspec.json.decode(b'"%s"' % literal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"The request body is not valid JSON: {error}.", code="invalid_json"
        ) from None


def _long_literals(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield where each long base64 text starts and ends, hopping from quote to quote."""
    quote = data.find(b'"')
    for _ in range(MAX_QUOTES):
        start, quote = quote + 1, data.find(b'"', quote + 1)
        if quote < 0:
            return
        # A quote behind a backslash does not end the text.
        if quote - start < MIN_CUT_BYTES or data[quote - 1] == ord("\\"):
            continue
        if head := DATA_URL_HEAD.match(data, start):
            yield head.end(), quote
        elif DATA_FIELD.search(data, max(0, start - MAX_FIELD_BYTES), start):
            yield start, quote
