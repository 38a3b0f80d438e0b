"""Fetches pictures by URL, from public addresses only, and checks those that come inline."""

import base64
import binascii
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import ClientError, ClientTimeout
from aiohttp.abc import AbstractCookieJar

from serving.failure import StartError
from serving.gateway.errors import BadRequest
from serving.gateway.picture import Picture, inspect
from serving.options import GatewaySettings

DATA_URL: Final = re.compile(rb"data:image/[a-z+.-]+;base64,", re.IGNORECASE)
DATA_VIDEO: Final = re.compile(rb"data:video/[a-z0-9+.-]+;base64,", re.IGNORECASE)
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_IPV6: Final = ipaddress.ip_network("2000::/3")
HEAD_CHARACTERS: Final = 64 * 1024  # divisible by 4: base64 that is whole up to here
FORMATS: Final = "PNG, JPEG, WEBP and GIF are served"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class InlinePicture:
    """A checked picture as a data URL, with what its header says."""

    url: bytes
    picture: Picture


class AddressRefused(OSError):
    """A URL led to an address that is not public."""

    def __init__(self) -> None:
        super().__init__("address refused")


class AddressRule:
    """Which addresses media come from: public ones, and networks the operator named."""

    def __init__(self, private_networks: Iterable[str]) -> None:
        try:
            self._open: list[Network] = [ipaddress.ip_network(name) for name in private_networks]
        except ValueError as error:
            raise StartError(
                f"gateway.media_private_networks is refused: {error}.",
                "Write networks like 10.1.0.0/16.",
            ) from None

    def allows(self, address: str) -> bool:
        """Judge one IP address, looking through IPv6 forms that carry an IPv4 one."""
        found = _embedded(ipaddress.ip_address(address.partition("%")[0]))
        if any(found in network for network in self._open):
            return True
        if found.version == 6 and found not in GLOBAL_IPV6:
            return False
        return found.is_global and not found.is_multicast

    def socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Create the socket for a connection, or raise AddressRefused.

        aiohttp calls this with the very address it is about to connect to, after redirects and
        name resolution, so a name that changes its answer gains nothing.
        """
        family, kind, protocol, _, address = info
        if not self.allows(str(address[0])):
            raise AddressRefused
        return socket.socket(family, kind, protocol)


class MediaFetcher:
    """Turns image URLs of a request into checked data URLs."""

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
            headers={"accept": "image/*", "accept-encoding": "identity"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def picture(self, url: bytes, param: str) -> InlinePicture:
        """Return the picture behind a data: or http(s): URL; raises BadRequest naming `param`."""
        if url[:5].lower() == b"data:":
            return self._inline(url, param)
        if url[:8].lower().startswith((b"http://", b"https://")):
            data = await self._fetch(url.decode("utf-8", "replace"), param)
            picture = self._checked(inspect(data), param)
            head = f"data:{picture.media_type};base64,".encode()
            return InlinePicture(head + base64.b64encode(data), picture)
        raise _bad("must be an http:, https: or data: URL", param)

    def video(self, url: bytes, param: str) -> None:
        """Check the form of a video; only inline videos are taken."""
        if not DATA_VIDEO.match(url[:64]):
            raise BadRequest(
                f"{param} must be a data:video/…;base64, URL: this server fetches no videos.",
                code="invalid_video_url",
                param=param,
            )

    def _inline(self, url: bytes, param: str) -> InlinePicture:
        form = DATA_URL.match(url[:64])
        if form is None:
            raise _bad(f"is no data:image/…;base64, URL; {FORMATS}", param)
        start = form.end()
        try:
            picture = inspect(base64.b64decode(url[start : start + HEAD_CHARACTERS]))
            if picture is not None and not picture.width:
                picture = inspect(base64.b64decode(url[start:]))
        except binascii.Error:
            raise _bad("is not valid base64", param) from None
        return InlinePicture(url, self._checked(picture, param))

    def _checked(self, picture: Picture | None, param: str) -> Picture:
        if picture is None or not picture.width or not picture.height:
            raise _bad(f"is not a readable picture; {FORMATS}", param)
        side = self._limits.max_image_side
        if max(picture.width, picture.height) > side:
            raise BadRequest(
                f"{param} is {picture.width} × {picture.height} pixels; the limit is {side} "
                "a side. Scale it down.",
                code="image_too_large",
                param=param,
            )
        return picture

    async def _fetch(self, url: str, param: str) -> bytes:
        assert self._session is not None  # noqa: S101  # opened before the first request
        redirects = self._limits.media_redirects
        try:
            async with self._session.get(
                url, allow_redirects=redirects > 0, max_redirects=redirects + 1
            ) as response:
                if response.status != 200:
                    raise _bad(f"answered with status {response.status}", param)
                return await self._read(response, param)
        except TimeoutError:
            seconds = self._limits.media_timeout_seconds
            raise _bad(f"did not arrive within {seconds:g} seconds", param) from None
        except aiohttp.TooManyRedirects:
            raise _bad(f"was redirected more than {redirects} times", param) from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressRefused):
                raise _bad("leads to an address that is not public", param) from None
            raise _bad("could not be reached", param) from None
        except (ClientError, ValueError, OSError):
            raise _bad("could not be fetched", param) from None

    async def _read(self, response: aiohttp.ClientResponse, param: str) -> bytes:
        limit = self._limits.max_media_bytes
        data = bytearray()
        if (response.content_length or 0) <= limit:
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > limit:
                    break
            else:
                return bytes(data)
        raise BadRequest(
            f"{param} is larger than {limit} bytes. Send a smaller picture.",
            code="image_too_large",
            param=param,
        )


def _bad(what: str, param: str) -> BadRequest:
    return BadRequest(f"{param} {what}.", code="invalid_image_url", param=param)


def _embedded(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _no_cookies() -> AbstractCookieJar:
    return aiohttp.DummyCookieJar()
