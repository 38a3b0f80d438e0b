"""Bearer keys from configuration or a file, and the rule that an open address needs some."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path

from serving.failure import StartError
from serving.gateway.errors import Unauthorized
from serving.options import GatewaySettings


class KeyRing:
    """The keys that are let in; an empty ring lets everybody in."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    def __len__(self) -> int:
        return len(self._digests)

    def admit(self, headers: Mapping[bytes, bytes]) -> None:
        """Check a request's key, a bearer's or Anthropic's x-api-key; raises Unauthorized.

        Every key is compared in constant time and none ends the search, so time tells nothing.
        """
        if not self._digests:
            return
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            key = headers.get(b"x-api-key", b"")
        if not key.strip():
            raise Unauthorized(
                "You didn't provide an API key. Send it in the header 'Authorization: Bearer KEY' "
                "or 'x-api-key: KEY'."
            )
        offered = _digest(key.strip())
        matches = [hmac.compare_digest(offered, known) for known in self._digests]
        if not any(matches):
            raise Unauthorized("Incorrect API key provided. Ask this server's operator for one.")


def load_keys(gateway: GatewaySettings) -> KeyRing:
    """Collect the configured keys; raises StartError for a bad file or an open door.

    A file holds one key a line; empty lines and lines starting with # are skipped.
    """
    keys = [key.get_secret_value().strip() for key in gateway.api_keys]
    if gateway.api_keys_file is not None:
        keys += _keys_in(gateway.api_keys_file)
    if not all(keys):
        raise StartError("gateway.api_keys holds an empty key.", "Remove it or give it a value.")
    if not keys and not is_loopback(gateway.host):
        raise StartError(
            f"gateway.host {gateway.host} can be reached from outside, and no API key is set.",
            "Set gateway.api_keys or gateway.api_keys_file, or listen on 127.0.0.1.",
        )
    return KeyRing(keys)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _keys_in(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise StartError(
            f"gateway.api_keys_file {path} cannot be read: {reason}.",
            "Give the path of a readable file with one key a line.",
        ) from None
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise StartError(
            f"gateway.api_keys_file {path} holds no key.", "Write one key a line into it."
        )
    return keys


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
