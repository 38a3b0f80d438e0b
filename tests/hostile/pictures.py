"""Picture files that want harm, each made anew from a random generator."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

FORMS = ("PNG", "JPEG", "GIF", "WEBP")
PARSE, LARGE, SMALL = "{}_parse_error", "{}_too_large", "{}_too_small"
UNSUPPORTED = "unsupported_{}_format"
ANY = (PARSE, LARGE, SMALL, UNSUPPORTED, "media_parse_error")
END_RECORD = b"PK\5\6" + bytes(18)
TAILS = (
    b"PK\3\4" + bytes(40) + END_RECORD,
    END_RECORD,
    b"%PDF-1.7\n%%EOF",
    b"<script>alert(1)</script>",
    b"\n<!DOCTYPE html><p>hi",
    b"<?php system($_GET[0]); ?>",
    b"\x7fELF\2\1\1" + bytes(60),
    b"MZ" + bytes(70),
    b"#!/bin/sh\nid\n",
    b"Rar!\x1a\7\0" + bytes(20),
    b"7z\xbc\xaf\x27\x1c" + bytes(20),
)
OTHERS = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><svg>&a;</svg>",
    b"<!doctype html><img src=x onerror=alert(1)>",
    b"%PDF-1.4\n%%EOF",
    b"BM" + bytes(60),
    b"II*\0" + bytes(60),
    b"\0\0\0\x20ftypavif" + bytes(60),
    b"\0\0\0\x18ftypheic" + bytes(60),
    b"8BPS\0\1" + bytes(60),
    b"\0\0\0\x1cftypisom\0\0\2\0" + bytes(60),
)


class File(NamedTuple):
    """A file and the codes that it may be refused with; some may pass, harmless after all."""

    data: bytes
    codes: tuple[str, ...]
    may_pass: bool = False


def drawn(form: str, size: tuple[int, int] = (33, 21), frames: int = 1, **options: object) -> bytes:
    """Return a sound picture with some structure, or an animation."""
    pictures = [Image.linear_gradient("L").resize(size).convert("RGB") for _ in range(frames)]
    for at, each in enumerate(pictures):
        each.putpixel((at % size[0], 0), (255, at % 256, 0))
    buffer = io.BytesIO()
    animated = frames > 1 and form != "JPEG"
    more = {"save_all": True, "append_images": pictures[1:]} if animated else {}
    pictures[0].save(buffer, form, **more, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, packed: bytes | None = None) -> bytes:
    """Return a grey PNG of any stated size, with chunks before its data; sound by default."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packed = zlib.compress(bytes((width + 1) * height)) if packed is None else packed
    body = chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body


def cut_off(rng: random.Random) -> File:
    """Lose the end."""
    data = drawn(rng.choice(FORMS)).removesuffix(b";")  # a GIF is whole without it
    return File(data[: rng.randrange(len(data))], (PARSE,))


def flipped(rng: random.Random) -> File:
    """Change some bytes behind the signature."""
    data = bytearray(drawn(rng.choice(FORMS), frames=rng.choice((1, 3))))
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(12, len(data))] = rng.randrange(256)
    return File(bytes(data), ANY, may_pass=True)


def huge(rng: random.Random) -> File:
    """State a size that would take gigabytes."""
    side = rng.choice((4097, 20_000, 65_535))
    other = rng.choice((1000, side))
    return rng.choice(
        (
            lambda: File(png(side, other, packed=b""), (LARGE,)),
            lambda: File(png(2**31 - 1, other, packed=b""), (LARGE,)),
            lambda: File(_patched_jpeg(side, other), (LARGE,)),
            lambda: File(b"GIF89a" + struct.pack("<HH", side, other) + bytes(99), (LARGE,)),
            lambda: File(_extended_webp(side, other), (LARGE,)),
        )
    )()


def larger_frame(rng: random.Random) -> File:
    """State a small screen and a huge first frame."""
    side = rng.choice((5000, 30_000, 65_535))
    data = bytearray(drawn("GIF", (8, 8)))
    at = data.index(b",", 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0))
    data[at + 5 : at + 9] = struct.pack("<HH", side, side)
    return File(bytes(data), (LARGE, PARSE))


def empty(rng: random.Random) -> File:
    """Have no pixels, or a strip of them."""
    size = rng.choice(((0, 5), (5, 0), (0, 0), (1, 4096), (4096, 2)))
    return File(png(*size), (SMALL, PARSE))


def image_data_bomb(rng: random.Random) -> File:
    """Unpack to far more than the size needs."""
    packed = zlib.compress(bytes(rng.randint(1, 24) * 2**20), 9)
    return File(png(rng.randint(1, 64), rng.randint(1, 64), packed=packed), (LARGE,))


def text_bomb(rng: random.Random) -> File:
    """Unpack to megabytes beside the pixels."""
    packed = zlib.compress(bytes(rng.randint(2, 16) * 2**20), 9)
    bomb = rng.choice(
        (
            chunk(b"zTXt", b"k\0\0" + packed),
            chunk(b"iTXt", b"k\0\1\0\0\0" + packed),
            chunk(b"iCCP", b"k\0\0" + packed),
        )
    )
    return File(png(8, 8, *[bomb] * rng.randint(1, 5)), (PARSE,), may_pass=True)


def animation(rng: random.Random) -> File:
    """Have more frames than anybody looks at."""
    count = rng.randint(257, 2000)
    one = png(4, 4, chunk(b"acTL", struct.pack(">II", count, 0)))
    form = rng.choice(("PNG", "GIF", "WEBP"))
    if form == "PNG":
        return File(one, (LARGE,))
    data = drawn(form, (4, 4), frames=2)
    if form == "GIF":
        start = data.index(b"!\xf9")
        return File(data[:start] + data[start:-1] * count + b";", (LARGE,))
    start = data.index(b"ANMF")
    body = data[12:start] + data[start:] * count
    return File(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, (LARGE,))


def polyglot(rng: random.Random) -> File:
    """Be something else behind the end."""
    gap = b"\0" * rng.choice((0, 0, 1, 500))
    return File(drawn(rng.choice(FORMS)) + gap + rng.choice(TAILS), (UNSUPPORTED,))


def two_in_one(rng: random.Random) -> File:
    """Show one picture to those who read the signature, and another to the engine's decoder."""
    return File(rng.choice((_jpeg_and_fli(), _png_and_pcd())), (UNSUPPORTED,))


def something_else(rng: random.Random) -> File:
    """Be no picture that is served."""
    return File(rng.choice(OTHERS) + rng.randbytes(rng.randint(0, 40)), (UNSUPPORTED,))


def noise(rng: random.Random) -> File:
    """Be random behind a true signature, or without one."""
    heads = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\xff\0\0\0WEBPVP8 ")
    codes = (PARSE, LARGE, SMALL, UNSUPPORTED)
    return File(rng.choice(heads) + rng.randbytes(rng.randint(20, 2000)), codes)


def slow(rng: random.Random) -> File:
    """Cost time in place of memory: very many parts, or passes over the picture."""
    count = rng.choice((200, 1000, 5000))
    data = drawn("JPEG", (64, 64), progressive=True)
    scan = data[data.index(b"\xff\xda") : data.index(b"\xff", data.index(b"\xff\xda") + 20)]
    return rng.choice(
        (
            lambda: File(data[:-2] + scan * count + data[-2:], (LARGE,)),
            lambda: File(data[:2] + b"\xff\xe1\0\2" * 100_000 + data[2:], (PARSE,)),
            lambda: File(png(8, 8, chunk(b"teSt", b"") * 70_000), (PARSE,)),
        )
    )()


def _jpeg_and_fli() -> bytes:
    """Return a JPEG whose first segment makes it the head of a film of 8000 x 8000 pixels."""
    data, length = drawn("JPEG"), 0x11AF  # what such a head has there
    head = struct.pack("<HHHHHI", 1, 8000, 8000, 8, 0, 0)
    segment = b"\xff\xef" + struct.pack(">H", length) + head
    return data[:2] + segment.ljust(length + 2, b"\0") + data[2:]


def _png_and_pcd() -> bytes:
    """Return a PNG that says at byte 2048 to be a Photo CD's picture of 768 x 512 pixels."""
    gap = bytes(2048 - len(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13))) - 8)
    return png(8, 8, chunk(b"teSt", (gap + b"PCD_").ljust(800_000, b"\0")))


def _patched_jpeg(width: int, height: int) -> bytes:
    data = bytearray(drawn("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _extended_webp(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + bytes(30)
    return b"RIFF" + struct.pack("<I", len(body)) + body


PICTURES: tuple[Callable[[random.Random], File], ...] = (
    cut_off,
    flipped,
    huge,
    larger_frame,
    empty,
    image_data_bomb,
    text_bomb,
    animation,
    polyglot,
    two_in_one,
    something_else,
    noise,
    slow,
)
