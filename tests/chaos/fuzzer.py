"""Requests that were valid until something happened to them: the same ones for the same seed."""

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from serving.gateway.dialect import DIALECTS
from serving.gateway.docs.operations import OPERATIONS
from tests.chaos.client import Request

MAX_TOKENS: Final = 4
FIELDS: Final = (
    "model", "messages", "n", "stop", "stream", "temperature", "logit_bias", "seed", "tools",
    "response_format", "reasoning", "max_tokens", "max_completion_tokens", "thinking", "input",
    "priority", "cache_salt", "chat_template", "chat_template_kwargs", "kv_transfer_params",
    "vllm_xargs", "ignore_eos", "mm_processor_kwargs", "__proto__", "\x00", "😀" * 50,
)  # fmt: skip
SCALARS: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**31, 2**63, 2**64, -(2**200), 0.1, -0.0, 1e308, "", " ", "\x00", "\ud800",
    "\u202e", "a" * 100_000, "<think>", "</think>", "<|im_end|>", "<|image_pad|>" * 20, "%s%n{0}",
    "'; DROP TABLE keys; --", "../../etc/passwd", "${jndi:ldap://127.0.0.1/a}", [], {}, [[]],
    [None] * 1000, {"type": "image_url"}, {"type": "text", "text": 5}, {"$ref": "#"}, "data:,",
    "data:image/png;base64,", "data:image/png;base64,AAAA", "data:image/svg+xml,<svg/>",
)  # fmt: skip
ROUTES: Final = (
    "/", "/v1", "/v1/models/%00", "/v1/models/" + "a" * 4000, "/v1/models/..%2f..%2fetc",
    "/v1/chat/completions/", "/v1//chat/completions", "/v1/chat/completions?key=1&key=2",
    "/v1/../metrics", "/metrics", "/engine/metrics", "/health", "/tokenize", "/v1/load_lora",
    "/api/v1/models/a/b/endpoints", "/%ff%fe", "/.git/config", "*", "/v1/models/\xff",
    "http://127.0.0.1/v1/models", "/docs/../../serving/options.py", "/v1/responses/resp_1",
)  # fmt: skip
METHODS: Final = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW")
PREFIXES: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"[", b"{}", b"\x00", b"\x1f\x8b\x08")


def urls(hosts: Sequence[str], port: int) -> list[str]:
    """Return the ways to write an address of a forbidden host, and schemes nobody may ask for."""
    named = [f"[{host}]" if ":" in host else host for host in hosts]
    named += ["localhost", "localhost.", "0.0.0", "0", "[::]", "[::ffff:127.0.0.1]", "127.1"]
    named += ["2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"]
    named += ["①②⑦.⓪.⓪.①", "user@127.0.0.1", "8.8.8.8@127.0.0.1", "127.0.0.1#@8.8.8.8"]
    named += ["[::1%25lo]", "LOCALHOST", "ip6-localhost"]
    paths = [f"{scheme}://{host}:{port}/a.png" for host in named for scheme in ("http", "https")]
    schemes = ("file:///etc/passwd", f"gopher://127.0.0.1:{port}/", f"//127.0.0.1:{port}/a.png")
    metadata = ("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/latest")
    return [*paths, *schemes, *metadata, f"ftp://127.0.0.1:{port}/", "http:///a", "http://[", "://"]


def requests(seed: int, count: int, forbidden: Sequence[str]) -> Iterator[Request]:
    """Yield mutated requests for all routes; `forbidden` URLs stand in many of them."""
    chance = random.Random(seed)
    valid = [
        (dialect.base + path, example)
        for dialect in DIALECTS
        for path, operation in OPERATIONS.items()
        if operation.request is not None and "{" not in path
        for example in operation.examples.values()
    ]
    for _ in range(count):
        path, example = chance.choice(valid)
        match chance.randrange(10):
            case 0:
                yield Request(_text(example), chance.choice(ROUTES), method=chance.choice(METHODS))
            case 1 | 2:
                yield Request(_broken(chance, _text(example)), path)
            case 3 | 4:
                yield Request(_text(_with_media(chance, path, chance.choice(forbidden))), path)
            case _:
                body = copy.deepcopy(example)
                for _ in range(chance.randint(1, 4)):
                    body = _mutated(chance, body)
                yield Request(_text(body), path)


def _text(body: Any) -> bytes:
    """Write JSON with few tokens to answer; what Python can hold and JSON cannot is kept."""
    if isinstance(body, dict):
        body = {"max_tokens": MAX_TOKENS, **body}
    return json.dumps(body).encode()


def _with_media(chance: random.Random, path: str, url: str) -> dict[str, Any]:
    """Return a request of a route that points to an address."""
    kind = chance.choice(("image_url", "video_url", "input_image", "image", "file"))
    part: dict[str, Any] = {"type": kind}
    if kind == "image":
        part["source"] = {"type": "url", "url": url}
    else:
        name = {"input_image": "image_url", "file": "file"}.get(kind, kind)
        part[name] = url if kind == "input_image" else {"url": url, "file_data": url}
    field = "input" if path.endswith("responses") else "messages"
    return {field: [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]}


def _mutated(chance: random.Random, value: Any) -> Any:
    """Change one place of a JSON value, the deeper the likelier."""
    if isinstance(value, dict) and value and chance.random() < 0.7:
        name = chance.choice(list(value))
        return {**value, name: _mutated(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.7:
        place = chance.randrange(len(value))
        return [*value[:place], _mutated(chance, value[place]), *value[place + 1 :]]
    changes: list[Callable[[], Any]] = [
        lambda: chance.choice(SCALARS),
        lambda: [value] * chance.choice((0, 2, 300 if _is_small(value) else 1)),
        lambda: {chance.choice(FIELDS): value},
    ]
    if isinstance(value, dict):
        changes += [
            lambda: {**value, chance.choice(FIELDS): chance.choice(SCALARS)},
            lambda: dict(list(value.items())[1:]),
        ] * 2
    return chance.choice(changes)()


def _is_small(value: Any) -> bool:
    """Say whether a few hundred of it are still a body and not a flood."""
    return len(repr(value)) < 2000


def _broken(chance: random.Random, body: bytes) -> bytes:
    """Change the bytes of a body, whatever that makes of it."""
    place = chance.randrange(len(body) + 1)
    changes: list[Callable[[], bytes]] = [
        lambda: body[:place],
        lambda: body[:place] + chance.randbytes(chance.randint(1, 20)) + body[place:],
        lambda: chance.choice(PREFIXES) + body,
        lambda: body + chance.choice(PREFIXES),
        lambda: b"[" * 100_000,
        lambda: b'{"messages":' * 20_000 + b"1" + b"}" * 20_000,
        lambda: body.replace(b'"', b"'"),
        lambda: body.replace(b"{", b'{"model":"a","model":"b",', 1),
        lambda: body.replace(b":", b":1e99999,", 1),
        lambda: body.replace(b"a", b"\\ud800"),
        lambda: chance.randbytes(1000),
        lambda: b"",
    ]
    return chance.choice(changes)()
