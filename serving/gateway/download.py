"""Fetches pictures and videos by URL, from allowed hosts and addresses only and within limits."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp import ClientConnectorError, ClientError, ClientTimeout
from aiohttp.abc import AbstractCookieJar
from yarl import URL

from serving.gateway.address import AddressRefused, AddressRule
from serving.gateway.errors import BadRequest
from serving.gateway.host import HostRule
from serving.gateway.media_kind import Place
from serving.options import GatewaySettings

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Downloader:
    """A web client that trusts no URL, no redirect and no length it is told."""

    def __init__(self, gateway: GatewaySettings) -> None:
        self._limits = gateway
        self._addresses = AddressRule(gateway.media_private_networks)
        self._hosts = HostRule(gateway.media_domains)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Create the session; needs a running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, force_close=True, socket_factory=self._addresses.socket
            ),
            cookie_jar=_no_cookies(),
            timeout=ClientTimeout(total=None),
            headers={"accept-encoding": "identity"},
            auto_decompress=False,
            trust_env=False,  # a proxy would connect in our place, wherever it likes
        )

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, place: Place, reserve: Callable[[int], None]) -> bytearray:
        """Return the file behind a URL; raises BadRequest, or what `reserve` raises.

        `reserve` hears of each piece that arrives how many bytes it has.
        """
        try:
            async with asyncio.timeout(self._limits.media_timeout_seconds):
                return await self._follow(URL(url), place, reserve)
        except (ClientError, ValueError, OSError) as error:
            raise self._failure(error, place) from None

    async def _follow(self, url: URL, place: Place, reserve: Callable[[int], None]) -> bytearray:
        """Go from URL to URL, each checked as if it were the first."""
        assert self._session is not None  # noqa: S101  # opened before the first request
        headers = {"accept": f"{place.kind.stem}/*"}
        for _ in range(self._limits.media_redirects + 1):
            self._check(url, place)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                target = response.headers.get("location")
                if target is None or response.status not in REDIRECTS:
                    return await self._read(response, place, reserve)
                url = url.join(URL(target))
        raise place.error(
            "{}_download_failed",
            f"was redirected more than {self._limits.media_redirects} times. Send the last URL.",
        )

    def _check(self, url: URL, place: Place) -> None:
        code = "invalid_{}_url"
        if url.scheme not in {"http", "https"} or not url.raw_host:
            raise place.error(code, "is or leads to no http: or https: URL. Correct it.")
        if url.raw_user is not None or url.raw_password is not None:
            raise place.error(
                code, "holds or leads to a user name or password, which are not sent. Remove it."
            )
        if not self._hosts.allows(url):
            raise place.error(
                code,
                "is on or leads to a host that is not allowed here. "
                f"Send the {place.kind.noun} inline.",
            )

    async def _read(
        self, response: aiohttp.ClientResponse, place: Place, reserve: Callable[[int], None]
    ) -> bytearray:
        if response.status != 200:
            found = "{}_not_found" if response.status in (404, 410) else "{}_download_failed"
            raise place.error(found, f"was answered with status {response.status}. Check the URL.")
        limit = self._limits.max_media_bytes
        if (response.content_length or 0) > limit:
            raise place.too_large(limit)
        data = bytearray()
        async for chunk in response.content.iter_any():
            reserve(len(chunk))
            data += chunk
            if len(data) > limit:
                raise place.too_large(limit)
        return data

    def _failure(self, error: Exception, place: Place) -> BadRequest:
        """Say why a download failed, and nothing about the network it failed in."""
        code = "{}_download_failed"
        inline = f"send the {place.kind.noun} inline"
        match error:
            case TimeoutError():
                seconds = self._limits.media_timeout_seconds
                what = f"did not arrive within {seconds:g} seconds. Try again, or {inline}."
            case ClientConnectorError(os_error=AddressRefused()):
                code = "invalid_{}_url"
                what = f"leads to an address that is not public. Check it, or {inline}."
            case ClientConnectorError():
                what = f"could not be reached. Check it, or {inline}."
            case ValueError():
                code, what = "invalid_{}_url", "is or leads to no http: or https: URL. Correct it."
            case _:
                what = f"could not be fetched to its end. Try again, or {inline}."
        return place.error(code, what)


def _no_cookies() -> AbstractCookieJar:
    return aiohttp.DummyCookieJar()
