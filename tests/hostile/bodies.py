"""Request bodies that want harm: broken, deep, endless, or of the wrong types."""

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.hostile.case import chat, data_url, picture
from tests.hostile.pictures import drawn

# What a body that cannot be read, or read as a chat, is refused with.
CODES = (
    "invalid_json",
    "missing_parameter",
    "invalid_value",
    "unknown_parameter",
    "unsupported_parameter",
    "context_length_exceeded",
    "max_tokens_exceeded",
    "too_many_images",
    "too_many_videos",
    "invalid_image_url",
    "image_parse_error",
    "model_not_found",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    -(2**70),
    1e308,
    0.5,
    "",
    "x" * 5000,
    "\ud800",
    "\0",
    [],
    [[]],
    {},
    {"a": {"b": []}},
    [None] * 50,
)
FIELDS = (
    "model",
    "messages",
    "max_tokens",
    "temperature",
    "stop",
    "stream",
    "tools",
    "tool_choice",
    "response_format",
    "logit_bias",
    "n",
    "seed",
    "reasoning_effort",
    "stream_options",
    "chat_template_kwargs",
    "mm_processor_kwargs",
    "vllm_xargs",
    "__proto__",
)


class Body(NamedTuple):
    """A body, and whether it may be served after all."""

    data: bytes
    may_pass: bool = False


def cut_off(rng: random.Random) -> Body:
    """Lose the end."""
    whole = chat(picture(data_url(drawn("PNG"), "image/png")))
    return Body(whole[: rng.randrange(len(whole))])


def flipped(rng: random.Random) -> Body:
    """Change some bytes."""
    data = bytearray(chat(temperature=0.5, stop=["a"]))
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return Body(bytes(data), may_pass=True)


def noise(rng: random.Random) -> Body:
    """Be no JSON at all."""
    return Body(rng.randbytes(rng.randint(0, 3000)))


def deep(rng: random.Random) -> Body:
    """Nest without an end."""
    depth = rng.choice((2000, 20_000, 200_000))
    start, end = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
    nest = start * depth + b"1" + end * rng.choice((0, depth))
    return Body(rng.choice((nest, b'{"model":"tiny-qwen3-vl","messages":%s}' % nest)))


def wrong_type(rng: random.Random) -> Body:
    """Give a field a value that it cannot have, or perhaps can."""
    fields = {name: rng.choice(VALUES) for name in rng.sample(FIELDS, rng.randint(1, 3))}
    return Body(json.dumps({**json.loads(chat()), **fields}).encode(), may_pass=True)


def wrong_part(rng: random.Random) -> Body:
    """Have a part of a message that is none."""
    value = rng.choice(VALUES)
    part: Any = rng.choice(
        (
            value,
            {"type": value},
            {"type": "image_url"},
            {"type": "image_url", "image_url": value},
            {"type": "image_url", "image_url": {"url": value}},
            {"type": "text", "text": value},
            {"type": "image_embeds", "image_embeds": "AAAA"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        )
    )
    return Body(chat(part), may_pass=True)


def too_many(rng: random.Random) -> Body:
    """Repeat what may be there a few times."""
    part = picture(data_url(drawn("PNG"), "image/png"))
    return Body(chat(*[part] * rng.choice((9, 50, 300))))


def odd_number(rng: random.Random) -> Body:
    """Hold numbers that JSON does not know, or nobody can hold."""
    number = rng.choice((b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"0x10", b"01", b"1."))
    return Body(chat(max_tokens="@").replace(b'"@"', number))


def odd_text(rng: random.Random) -> Body:
    """Hold text that is no Unicode, or no JSON text."""
    text = rng.choice((b"\\ud800", b"\xff\xfe", b"\xed\xa0\x80", b"\\x41", b"\n", b"\\u12", b"\0"))
    return Body(chat(user="@").replace(b"@", text * rng.randint(1, 20)), may_pass=True)


def endless(rng: random.Random) -> Body:
    """Hold far more text, or far more keys, than any context."""
    count = rng.choice((300_000, 2_000_000))
    return rng.choice(
        (
            lambda: Body(chat(user="x" * count), may_pass=True),
            lambda: Body(chat({"type": "text", "text": '"' * (count // 4)}), may_pass=True),
            lambda: Body(chat(**{f"k{at}": at for at in range(count // 20)})),
        )
    )()


def bad_base64(rng: random.Random) -> Body:
    """Hold a picture in what is almost base64."""
    url = data_url(drawn("PNG", (200, 200)), "image/png")
    at = rng.randrange(40, len(url) - 4)
    odd = rng.choice(("!", " ", "\n", "-", "_", "=", "\\u0041!", "é", "\0"))
    return Body(chat(picture(url[:at] + odd + url[at:])))


BODIES: tuple[Callable[[random.Random], Body], ...] = (
    cut_off,
    flipped,
    noise,
    deep,
    wrong_type,
    wrong_part,
    too_many,
    odd_number,
    odd_text,
    endless,
    bad_base64,
)
