"""Base64 as it stands in JSON: checked, decoded and made without holding the loop for long.

Each step takes about a millisecond; between two steps all other streams get their turn.
"""

import asyncio
import base64
import string
from collections.abc import Iterator
from typing import Final

import msgspec

from serving.gateway.body import Piece

ALPHABET: Final = (string.ascii_letters + string.digits + "+/").encode()
STEP_CHARACTERS: Final = 1024 * 1024  # divisible by 4: whole base64 up to here
STEP_BYTES: Final = STEP_CHARACTERS // 4 * 3
FIRST_HEAD_CHARACTERS: Final = 64 * 1024
MAX_HEAD_CHARACTERS: Final = 4 * 1024 * 1024 // 3 * 4
LONGEST_ESCAPE: Final = len(rb"\u002b")


class NotBase64(ValueError):
    """A text is not base64: a foreign character, or a length that no base64 has."""


async def plain_base64(literal: Piece) -> Piece:
    """Return a JSON literal as base64, itself unless JSON escaped some of it; raises NotBase64."""
    foreign = await _foreign(literal)
    if b"\\" in foreign:
        literal = await _unescaped(literal)
        foreign = await _foreign(literal)
    if foreign or len(literal) % 4:
        raise NotBase64
    return literal


def decoded_bytes(plain: Piece) -> int:
    """Return how long the file behind plain base64 is."""
    return len(plain) // 4 * 3 - bytes(plain[-2:]).count(b"=")


async def encode_base64(data: bytes | bytearray) -> Piece:
    """Return a file's base64."""
    encoded = bytearray(-(-len(data) // 3) * 4)  # one that grows is moved, which takes a long step
    at = 0
    for start in range(0, len(data), STEP_BYTES):
        step = base64.b64encode(memoryview(data)[start : start + STEP_BYTES])
        encoded[at : at + len(step)] = step
        at += len(step)
        await asyncio.sleep(0)
    return memoryview(encoded).toreadonly()


def heads(plain: Piece) -> Iterator[bytearray]:
    """Decode the beginning of plain base64, first some KiB, then ever more up to about 4 MiB."""
    head = bytearray()
    start, end = 0, FIRST_HEAD_CHARACTERS
    while start < min(len(plain), MAX_HEAD_CHARACTERS):
        head += base64.b64decode(plain[start:end])
        yield head
        start, end = end, end + STEP_CHARACTERS


async def _foreign(literal: Piece) -> bytes:
    """Return what in the first faulty step is not base64; empty where all is."""
    end = len(literal) - bytes(literal[-2:]).count(b"=")
    for start in range(0, end, STEP_CHARACTERS):
        step = bytes(literal[start : min(start + STEP_CHARACTERS, end)])
        if foreign := step.translate(None, ALPHABET):
            return foreign
        await asyncio.sleep(0)
    return b""


async def _unescaped(literal: Piece) -> Piece:
    """Resolve JSON's escapes; some writers send / as \\/, others + and = as \\u002b and \\u003d."""
    plain = bytearray(len(literal))
    start = at = 0
    while start < len(literal):
        step = bytes(literal[start : start + STEP_CHARACTERS])
        if start + len(step) < len(literal):
            cut = step.rfind(b"\\", len(step) - LONGEST_ESCAPE + 1)  # it may go on in the next
            step = step[:cut] if cut > 0 else step
        try:
            text = msgspec.json.decode(b'"%s"' % step, type=str).encode()
        except (msgspec.DecodeError, UnicodeError):
            raise NotBase64 from None
        plain[at : at + len(text)] = text
        at += len(text)
        start += len(step)
        await asyncio.sleep(0)
    return memoryview(plain).toreadonly()[:at]
