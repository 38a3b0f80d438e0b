"""Which application a request comes from, as far as it says: OpenRouter's two headers."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

MAX_CHARACTERS: Final = 128
# Neither a terminal nor a database is to act on what a client calls itself; the last two rows are
# of the characters that turn the direction of writing, of what stands behind them, too.
CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029"
    r"\u061c\u200e\u200f"
    r"\u202a-\u202e\u2066-\u2069]"
)


def app_of(headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    """Return an application's name and address: X-Title and HTTP-Referer, empty where unsaid.

    Without a title the name is the address's host. Of the address no password and no query is
    kept: they may be secret.
    """
    referer = headers.get(b"http-referer") or headers.get(b"referer") or b""
    host, address = _place(plain(referer))
    title = plain(headers.get(b"x-title") or headers.get(b"x-openrouter-title") or b"")
    return title or host, address


def plain(text: bytes | str) -> str:
    """Return a client's text on one line, without control characters and not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return CONTROL.sub("", text).strip()[:MAX_CHARACTERS]


def _place(address: str) -> tuple[str, str]:
    """Return an address's host, and the address without what is nobody's business."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", ""
    if not host:
        return "", ""
    place = host if port is None else f"{host}:{port}"
    return host, f"{parts.scheme}://{place}{parts.path}"
