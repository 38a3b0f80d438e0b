"""The address under test: host, port, base path and key, and plain connections to it."""

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loadtests.failure import LoadError

MAX_BODY_BYTES = 16 << 20  # a list of all models of a large host takes a megabyte


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; proxies from the environment are not used."""

    scheme: str
    host: str
    port: int
    base_path: str
    key: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address as a reader would type it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.base_path}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every request carries."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def connection(self, connect_seconds: float) -> http.client.HTTPConnection:
        """Open a TCP (and TLS) connection; raises OSError."""
        if self.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self.port, timeout=connect_seconds, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=connect_seconds)
        connection.connect()
        return connection

    def get_json(self, path: str, timeout_seconds: float) -> tuple[int, Any]:
        """GET a path below the host: status and parsed body (None where it is not JSON).

        Raises OSError and http.client.HTTPException.
        """
        connection = self.connection(timeout_seconds)
        try:
            connection.request("GET", path, headers=self.headers)
            response = connection.getresponse()
            body = response.read(MAX_BODY_BYTES)
        finally:
            connection.close()
        try:
            return response.status, json.loads(body)
        except ValueError:
            return response.status, None


def parse_url(url: str, key: str | None = None) -> Endpoint:
    """Read a base URL, with or without its /v1; raises LoadError."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
        parts.path.encode("ascii")
    except ValueError as error:
        raise LoadError(f"{url!r} is not a URL: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LoadError(f"{url!r} is not a URL: give one such as http://127.0.0.1:8000.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise LoadError(f"{parts.hostname}: give host, port and path alone; a key goes in a file.")
    base_path = parts.path.rstrip("/")
    if not base_path.endswith("/v1"):
        base_path += "/v1"
    default_port = 443 if parts.scheme == "https" else 80
    return Endpoint(parts.scheme, parts.hostname, port or default_port, base_path, key)
