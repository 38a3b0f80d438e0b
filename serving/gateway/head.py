"""What the head of a request may hold: its limits, and no shape that can be read two ways."""

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from serving.gateway.errors import BadRequest, Forbidden, HeadTooLarge, TargetTooLong

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 100
MAX_TARGET_BYTES: Final = 8192
PORT: Final = re.compile(r":\d*$")
# Whoever reads the first of two and whoever reads the last see different requests.
SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"transfer-encoding",
        b"x-api-key",
        b"x-request-id",
    }
)


def check_head(scope: Any) -> None:
    """Raise TargetTooLong, HeadTooLarge or BadRequest for a head that is not served.

    `scope` is ASGI's. What is no HTTP at all never gets here: see `connection`.
    """
    target_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    if target_bytes > MAX_TARGET_BYTES:
        raise TargetTooLong(
            f"The path with its query is longer than {MAX_TARGET_BYTES} bytes. "
            "Send what is long in the body."
        )
    headers = scope["headers"]
    # Four bytes a line are the colon, the space and the line's end.
    head_bytes = target_bytes + sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) > MAX_HEADERS or head_bytes > MAX_HEAD_BYTES:
        raise head_too_large()
    _check_single(headers)
    if scope["http_version"] == "1.1" and not any(name == b"host" for name, _ in headers):
        raise malformed("The header Host is missing; HTTP/1.1 needs it.")


def check_host(headers: Mapping[bytes, bytes]) -> None:
    """Raise Forbidden for a name of the public DNS, where nobody needs a key.

    A web page whose own name is made to lead to this machine (DNS rebinding) would else ask what
    its visitor may ask. Addresses, `localhost` and names without a dot cannot be such.
    """
    name = headers.get(b"host", b"").decode("latin-1")
    host = name.rpartition(":")[0] if PORT.search(name) else name
    if "." not in host.rstrip(".") or host.endswith(".localhost") or _is_address(host):
        return
    raise Forbidden(
        "This server needs no key, and so it answers only to localhost and addresses, not to a "
        "name with a dot. Ask it by 127.0.0.1, or have its operator run `serving keys create`."
    )


def head_too_large() -> HeadTooLarge:
    """Return the error for more headers than the limits."""
    return HeadTooLarge(
        f"The request has more than {MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes of them. "
        "Send fewer."
    )


def malformed(what: str = "The request is not HTTP/1.1.") -> BadRequest:
    """Return the error for what can be read in two ways or in none."""
    return BadRequest(
        f"{what} Check the client and each proxy before this server.", code="malformed_request"
    )


def _check_single(headers: list[tuple[bytes, bytes]]) -> None:
    count = Counter(name for name, _ in headers)
    if twice := sorted(name for name in SINGLE if count[name] > 1):
        raise malformed(f"The header {twice[0].decode()} is there more than once.")
    coding = next((value for name, value in headers if name == b"transfer-encoding"), b"chunked")
    if coding.strip().lower() != b"chunked":
        raise malformed("The header transfer-encoding is other than chunked.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
