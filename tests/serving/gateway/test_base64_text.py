"""Base64 within JSON: what passes, what is refused, and who waits meanwhile."""

import asyncio
import base64
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.base64_text import (
    STEP_CHARACTERS,
    NotBase64,
    decoded_bytes,
    encode_base64,
    heads,
    plain_base64,
)
from tests.serving.gateway.turns import LARGE_SHARE, shared_turns

LARGE = base64.b64encode(random.Random(1).randbytes(20_000_000))


def plain(literal: bytes) -> bytes:
    """Return what passes on, as bytes."""
    return bytes(asyncio.run(plain_base64(memoryview(literal))))


def escaped(text: bytes, characters: str) -> bytes:
    """Write some characters as JSON may: the slash behind a backslash, others by their number."""
    for character in characters:
        escape = rb"\/" if character == "/" else rb"\u%04x" % ord(character)
        text = text.replace(character.encode(), escape)
    return text


@given(st.binary())
def test_base64_passes_as_it_is_and_tells_its_length(data):
    """The very object goes on, and its length is the file's."""
    literal = base64.b64encode(data)
    assert asyncio.run(plain_base64(literal)) is literal
    assert decoded_bytes(literal) == len(data)
    assert bytes(asyncio.run(encode_base64(data))) == literal


@given(st.binary(min_size=1), st.sampled_from(["/", "+", "=", "/+=", "A/"]))
def test_escapes_of_json_are_resolved(data, characters):
    """What a JSON parser reads is what passes on."""
    literal = escaped(base64.b64encode(data), characters)
    assert plain(literal) == json.loads(b'"%s"' % literal).encode() == base64.b64encode(data)


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("escape", [rb"\/", rb"\u002b"])
def test_an_escape_across_two_steps_is_resolved(offset, escape):
    """A step never ends within an escape, wherever it falls."""
    literal = b"A" * (STEP_CHARACTERS - offset) + escape
    literal += b"A" * (-(STEP_CHARACTERS - offset + 1) % 4)
    assert plain(literal) == json.loads(b'"%s"' % literal).encode()


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param(b"AAA", id="no padding"),
        pytest.param(b"A===", id="too much padding"),
        pytest.param(b"==", id="padding alone"),
        pytest.param(b"AA=A", id="padding within"),
        pytest.param(b"AA==AAAA", id="padding before the end"),
        pytest.param(b"AAA\n", id="line break"),
        pytest.param(rb"AAAA\nAAA", id="escaped line break"),
        pytest.param(b"AA A", id="blank"),
        pytest.param(b"AA-_", id="alphabet of URLs"),
        pytest.param("AAé=".encode(), id="not ASCII"),
        pytest.param(rb"AA\u00e9=", id="escaped not ASCII"),
        pytest.param(rb"AAA\x", id="no escape of JSON"),
        pytest.param(b"AAA\\", id="escape cut off"),
        pytest.param(b"A" * STEP_CHARACTERS * 2 + b"AA!A", id="late fault"),
        pytest.param(b"\\/AA" * STEP_CHARACTERS + b"AA!A", id="late fault with escapes"),
    ],
)
def test_what_is_no_base64_is_refused(literal):
    """The engine's strict decoder would refuse it too."""
    with pytest.raises(NotBase64):
        plain(literal)


@pytest.mark.parametrize("size", [1, 200_000, 3_000_000, 20_000_000])
def test_heads_grow_until_the_whole_file_or_some_mib(size):
    """Each head begins the file; the first is small, the last is all or about 4 MiB."""
    data = base64.b64decode(LARGE)[:size]
    found = [bytes(head) for head in heads(base64.b64encode(data))]
    lengths = [len(head) for head in found]
    assert all(data.startswith(head) for head in found)
    assert lengths == sorted(set(lengths))
    assert lengths[0] <= 64 * 1024
    assert lengths[-1] == size or 4 * 1024 * 1024 <= lengths[-1] < 5 * 1024 * 1024


def test_an_empty_text_has_no_head():
    """Nothing is made up."""
    assert not list(heads(b""))


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: plain_base64(memoryview(LARGE)), id="check"),
        pytest.param(lambda: plain_base64(memoryview(LARGE[:-4] + b"AAA" + rb"\/")), id="unescape"),
        pytest.param(lambda: encode_base64(bytes(20_000_000)), id="encode"),
    ],
)
def test_others_get_their_turn_during_20_mb(work):
    """No turn takes a large part of the whole."""
    turns, longest = shared_turns(work)
    assert turns >= len(LARGE) / STEP_CHARACTERS
    assert longest < LARGE_SHARE


def test_a_check_copies_no_more_than_its_steps():
    """20 MB cost a few MB for a moment."""
    literal = memoryview(LARGE)
    tracemalloc.start()
    try:
        asyncio.run(plain_base64(literal))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * STEP_CHARACTERS
