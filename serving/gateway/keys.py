"""Who is let in: the keys of all sources, and the rule that an open address needs some."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from prometheus_client import Gauge

from serving.failure import StartError
from serving.gateway.errors import Unauthorized
from serving.gateway.key import ANYBODY, Key, digest
from serving.gateway.key_file import KeyFile
from serving.gateway.key_source import Followed, KeySource, StoredKeys
from serving.options import GatewaySettings, Settings, StoreSettings
from serving.store.address import Address

# What a digest is filed under: the rest of it is compared in constant time.
FILED_BYTES: Final = 8
NOBODY: Final = Key(id="nobody", name="nobody", digest=bytes(32))


class KeyRing:
    """The keys that are let in. Once one was needed, one is needed for ever."""

    def __init__(
        self,
        fixed: tuple[Key, ...],
        sources: tuple[KeySource, ...],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read all sources; raises StartError."""
        self._fixed = fixed
        self._followed = tuple(Followed(source) for source in sources)
        self._clock = clock
        self._by_digest: dict[bytes, Key] = {}
        self.needed = any(source.closes for source in sources)
        try:
            for followed in self._followed:
                followed.read()
        except StartError:
            self.close()
            raise
        self._file()

    @property
    def everything(self) -> tuple[Key, ...]:
        """Return all keys of all sources, revoked and expired ones included."""
        return self._fixed + tuple(key for each in self._followed for key in each.keys)

    def count_live(self) -> int:
        """Return how many keys would be let in now."""
        return sum(self.state(key) == "live" for key in self.everything)

    def state(self, key: Key) -> str:
        """Return "live", "revoked" or "expired"."""
        return key.state(self._clock())

    def find(self, headers: Mapping[bytes, bytes]) -> Key:
        """Return whose a request is, by a bearer's key or Anthropic's x-api-key.

        Raises Unauthorized, which never repeats the key. What is compared byte by byte is always
        32 bytes and always compared, so time tells nothing of any key.
        """
        if not self.needed:
            return ANYBODY
        offered = digest(_offered(headers))
        key = self._by_digest.get(offered[:FILED_BYTES], NOBODY)
        if not hmac.compare_digest(offered, key.digest) or key is NOBODY:
            raise Unauthorized("Incorrect API key provided. Ask this server's operator for one.")
        state = self.state(key)
        if state != "live":
            raise Unauthorized(f"This API key is {state}. Ask this server's operator for another.")
        return key

    async def run(self, stale: Gauge) -> None:
        """Follow all sources for ever; what has changed there holds within 10 seconds."""
        async with asyncio.TaskGroup() as following:
            for followed in self._followed:
                following.create_task(followed.run(self._file, stale))

    def close(self) -> None:
        """Let go of the sources' connections."""
        for followed in self._followed:
            followed.source.close()

    def _file(self) -> None:
        """File all keys by their digests; of one text the last source's word counts."""
        filed: dict[bytes, Key] = {}
        for key in self.everything:
            filed[key.digest[:FILED_BYTES]] = key
            if key.previous_digest is not None:
                ends = (key.expires_at, key.previous_expires_at)
                end = min((each for each in ends if each is not None), default=None)
                older = replace(key, digest=key.previous_digest, expires_at=end)
                filed[key.previous_digest[:FILED_BYTES]] = older
        self._by_digest = filed
        self.needed = self.needed or bool(filed)


def load_keys(settings: Settings) -> KeyRing:
    """Read the keys of all sources; raises StartError for a bad source or an open door."""
    gateway = settings.gateway
    sources: list[KeySource] = []
    if gateway.keys_file is not None:
        sources.append(KeyFile(gateway.keys_file))
        _check_budgets(sources[0].read(), settings.store)
    ring = KeyRing(_configured(gateway), (*sources, StoredKeys(Address.of(settings.store))))
    if not ring.needed and not is_loopback(gateway.host):
        ring.close()
        raise StartError(
            f"gateway.host {gateway.host} can be reached from outside, and no API key is set.",
            "Run `serving keys create NAME`, or set gateway.keys_file or gateway.api_keys, or "
            "listen on 127.0.0.1.",
        )
    return ring


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_budgets(keys: tuple[Key, ...], store: StoreSettings) -> None:
    """Raise StartError for a budget where nobody counts what is spent."""
    names = [key.name for key in keys if key.budget_usd is not None]
    if names and not store.usage:
        raise StartError(
            f"store.usage is false, and the key {names[0]} in gateway.keys_file has a budget.",
            "Keep the usage, or take budget_usd out of the file.",
        )


def _configured(gateway: GatewaySettings) -> tuple[Key, ...]:
    """Return the keys that stand in the settings themselves: without limits, named by number."""
    texts = [key.get_secret_value().strip() for key in gateway.api_keys]
    if not all(texts):
        raise StartError("gateway.api_keys holds an empty key.", "Remove it or give it a value.")
    return tuple(
        Key(id=f"settings:key-{number}", name=f"key-{number}", digest=digest(text.encode()))
        for number, text in enumerate(texts, 1)
    )


def _offered(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer":
        key = headers.get(b"x-api-key", b"")
    if not key.strip():
        raise Unauthorized(
            "You didn't provide an API key. Send it in the header 'Authorization: Bearer KEY' "
            "or 'x-api-key: KEY'."
        )
    return key.strip()
