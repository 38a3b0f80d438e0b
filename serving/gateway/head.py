"""What the head of a request may hold: its limits, and no shape that can be read two ways."""

from collections import Counter
from typing import Any, Final

from serving.gateway.errors import BadRequest, HeadTooLarge, TargetTooLong

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 100
MAX_TARGET_BYTES: Final = 8192
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
