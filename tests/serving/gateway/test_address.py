"""Which addresses media come from."""

import pytest

from serving.failure import StartError
from serving.gateway.address import AddressRule


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        pytest.param("93.184.216.34", True, id="public"),
        pytest.param("2606:2800:220:1::1", True, id="public v6"),
        pytest.param("10.1.2.3", True, id="opened by the operator"),
        pytest.param("10.2.0.1", False, id="private"),
        pytest.param("172.16.0.1", False, id="private 172"),
        pytest.param("192.168.0.1", False, id="private 192"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("169.254.169.254", False, id="link-local"),
        pytest.param("192.0.0.192", False, id="Oracle's metadata"),
        pytest.param("168.63.129.16", False, id="Azure's wire server"),
        pytest.param("100.100.100.200", False, id="Alibaba's metadata"),
        pytest.param("100.64.0.1", False, id="carrier NAT"),
        pytest.param("0.0.0.0", False, id="unspecified"),  # noqa: S104
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::1", False, id="loopback v6"),
        pytest.param("fd00::1", False, id="unique local"),
        pytest.param("fe80::1%eth0", False, id="link-local v6"),
        pytest.param("::ffff:192.168.0.1", False, id="mapped"),
        pytest.param("::ffff:10.1.0.1", True, id="mapped, opened"),
        pytest.param("2002:c0a8:0001::", False, id="6to4 of a private one"),
        pytest.param("64:ff9b::7f00:1", False, id="NAT64 of loopback"),
        pytest.param("64:ff9b:1::7f00:1", False, id="local NAT64"),
        pytest.param("::127.0.0.1", False, id="compatible"),
        pytest.param("fec0::1", False, id="site-local"),
        pytest.param("ff02::1", False, id="multicast v6"),
        pytest.param("::", False, id="unspecified v6"),
        pytest.param("2001:0:4136:e378:8000:63bf:3fff:fdd2", False, id="Teredo"),
        pytest.param("2002:5db8:d822::", True, id="6to4 of a public one"),
        pytest.param("192.88.99.1", False, id="relay into 6to4"),
        pytest.param("198.18.0.1", False, id="benchmarks"),
        pytest.param("240.0.0.1", False, id="reserved"),
        pytest.param("2001:db8::1", False, id="documentation"),
        pytest.param("::ffff:0:7f00:1", False, id="translated"),
    ],
)
def test_only_public_and_opened_addresses_are_allowed(address, allowed):
    """Every special range, and IPv4 hidden in IPv6."""
    assert AddressRule(["10.1.0.0/16"]).allows(address) is allowed


def test_a_bad_network_does_not_start():
    """The setting is named."""
    with pytest.raises(StartError, match="media_private_networks"):
        AddressRule(["10.0.0.0/33"])
