"""Fetches pictures and videos by URL, from allowed addresses only and within limits."""

import aiohttp
from aiohttp import ClientConnectorError, ClientError, ClientTimeout
from aiohttp.abc import AbstractCookieJar

from serving.gateway.address import AddressRefused, AddressRule
from serving.gateway.errors import BadRequest
from serving.gateway.media_kind import Place
from serving.options import GatewaySettings


class Downloader:
    """A web client that trusts no URL, no redirect and no length it is told."""

    def __init__(self, gateway: GatewaySettings) -> None:
        self._limits = gateway
        self._rule = AddressRule(gateway.media_private_networks)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Create the session; needs a running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, force_close=True, socket_factory=self._rule.socket
            ),
            cookie_jar=_no_cookies(),
            timeout=ClientTimeout(total=self._limits.media_timeout_seconds),
            headers={"accept-encoding": "identity"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, place: Place) -> bytearray:
        """Return the file behind a URL; raises BadRequest."""
        assert self._session is not None  # noqa: S101  # opened before the first request
        redirects = self._limits.media_redirects
        try:
            async with self._session.get(
                url,
                headers={"accept": f"{place.kind.stem}/*"},
                allow_redirects=redirects > 0,
                max_redirects=redirects + 1,
            ) as response:
                return await self._read(response, place)
        except (ClientError, ValueError, OSError) as error:
            raise self._failure(error, place) from None

    async def _read(self, response: aiohttp.ClientResponse, place: Place) -> bytearray:
        if response.status != 200:
            found = "{}_not_found" if response.status in (404, 410) else "{}_download_failed"
            raise place.error(found, f"was answered with status {response.status}. Check the URL.")
        limit = self._limits.max_media_bytes
        if (response.content_length or 0) > limit:
            raise place.too_large(limit)
        data = bytearray()
        async for chunk in response.content.iter_any():
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
            case aiohttp.TooManyRedirects():
                redirects = self._limits.media_redirects
                what = f"was redirected more than {redirects} times. Send the last URL."
            case ClientConnectorError(os_error=AddressRefused()):
                code = "invalid_{}_url"
                what = f"leads to an address that is not public. Check it, or {inline}."
            case ClientConnectorError():
                what = f"could not be reached. Check it, or {inline}."
            case aiohttp.NonHttpUrlClientError() | ValueError():
                code, what = "invalid_{}_url", "is or leads to no http: or https: URL. Correct it."
            case _:
                what = f"could not be fetched to its end. Try again, or {inline}."
        return place.error(code, what)


def _no_cookies() -> AbstractCookieJar:
    return aiohttp.DummyCookieJar()
