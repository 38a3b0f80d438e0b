"""The headers that every answer carries, so that no browser or proxy makes more of it."""

from typing import Final

Headers = list[tuple[bytes, bytes]]

# An answer is one client's own: no cache keeps it, no page frames it, no browser guesses its type.
EVERYWHERE: Final[Headers] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
# Browsers then never ask this host without TLS again, for a year.
UNDER_TLS: Final[Headers] = [(b"strict-transport-security", b"max-age=31536000")]


def with_security(headers: Headers, *, tls: bool) -> Headers:
    """Return an answer's headers with the missing ones of those above; its own win."""
    own = {name for name, _ in headers}
    wanted = EVERYWHERE + UNDER_TLS if tls else EVERYWHERE
    return headers + [header for header in wanted if header[0] not in own]
