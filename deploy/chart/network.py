"""What pods may reach, and who may reach them."""

from typing import Annotated

from pydantic import StringConstraints

from deploy.chart.group import Group, Open, Port, UrlOrNone

BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# Those of IPv4: they are excepted from 0.0.0.0/0.
Network = Annotated[
    str, StringConstraints(pattern=rf"^{BYTE}(\.{BYTE}){{3}}/([1-9]|[12][0-9]|3[0-2])$")
]


class Proxy(Group):
    """The proxy that downloads go through."""

    url: UrlOrNone
    no_proxy: Annotated[str, StringConstraints(pattern=r"^[-A-Za-z0-9.:,*/_\[\]]*$")]


class NetworkPolicy(Group):
    """Peers and rules of the NetworkPolicies."""

    enabled: bool
    clients: list[Open]
    monitoring: list[Open]
    dns: list[Open]
    telemetry: list[Open]
    store: list[Open]
    internet: bool
    proxy: list[Open]
    proxy_port: Port
    except_networks: list[Network]
    extra_egress: list[Open]
