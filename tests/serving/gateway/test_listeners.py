"""The two ports: what stands in the way of opening them is named."""

import socket

import pytest

from serving.failure import StartError
from serving.gateway.listeners import bind
from serving.options import GatewaySettings


@pytest.mark.parametrize("option", ["port", "admin_port"])
def test_a_taken_port_does_not_start(option):
    """The port and the variable to set are named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        settings = GatewaySettings(**{"port": 0, "admin_port": 0, option: number})
        with pytest.raises(StartError, match=f"Port {number} .*taken") as caught:
            bind(settings)
    assert option.upper() in caught.value.next_step


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_that_is_not_ours_does_not_start(host):
    """The setting is named."""
    with pytest.raises(StartError, match=r"gateway\.port"):
        bind(GatewaySettings(host=host, port=0, admin_port=0, api_keys=("k",)))
