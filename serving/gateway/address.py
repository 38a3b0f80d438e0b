"""Which addresses the gateway fetches media from."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

from serving.failure import StartError

NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_IPV6: Final = ipaddress.ip_network("2000::/3")
# Public by their numbers, as some Pythons see them, but not the Internet's.
NOT_PUBLIC: Final = (
    ipaddress.ip_network("192.0.0.0/24"),  # clouds' own: Oracle's metadata
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's wire server
    ipaddress.ip_network("192.88.99.0/24"),  # relays into 6to4
    ipaddress.ip_network("2001::/32"),  # Teredo: leads to an IPv4 address of its own choice
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressRefused(OSError):
    """A URL led to an address that is not public."""

    def __init__(self) -> None:
        # One text for all: with several addresses, equal errors are what the connector reports.
        super().__init__("address refused")


class AddressRule:
    """Allows public addresses, and networks that the operator named."""

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
        if any(found in network for network in NOT_PUBLIC):
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


def _embedded(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address
