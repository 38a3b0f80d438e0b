"""Which application a request comes from, as far as it says: OpenRouter's two headers."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

MAX_CHARACTERS: Final = 128
# Neither a terminal nor a database is to act on what a client calls itself.
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def app_of(headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    """Return an application's name and address: X-Title and HTTP-Referer, empty where unsaid.

    Without a title the name is the address's host.
    """
    referer = plain(headers.get(b"http-referer") or headers.get(b"referer") or b"")
    title = plain(headers.get(b"x-title") or headers.get(b"x-openrouter-title") or b"")
    return title or _host(referer), referer


def plain(text: bytes | str) -> str:
    """Return a client's text on one line, without control characters and not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return CONTROL.sub("", text).strip()[:MAX_CHARACTERS]


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
