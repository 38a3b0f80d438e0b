"""Which hosts the gateway fetches media from."""

import re
from collections.abc import Iterable
from typing import Final

from yarl import URL

from serving.failure import StartError

NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f]*:[0-9a-f:.]*")


class HostRule:
    """Allows the hosts that the operator named, with their sub-domains; all where none is named."""

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = tuple(map(_domain, domains))

    def allows(self, url: URL) -> bool:
        """Judge a URL by the very name that will be resolved: ASCII and lower case."""
        host = (url.raw_host or "").rstrip(".")
        return not self._domains or any(
            host == domain or host.endswith(f".{domain}") for domain in self._domains
        )


def _domain(name: str) -> str:
    try:
        domain = (URL.build(scheme="http", host=name).raw_host or "").rstrip(".")
    except ValueError:
        domain = ""
    if not NAME.fullmatch(domain):
        raise StartError(
            f"gateway.media_domains is refused: {name!r} is no host.",
            "Write hosts without scheme, port or path, like images.example.org.",
        )
    return domain
