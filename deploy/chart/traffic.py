"""How requests reach a pool."""

from typing import Literal

from deploy.chart.group import Annotations, Group, Host, HostOrNone, NameOrNone, Open


class Route(Group):
    """An HTTPRoute."""

    enabled: bool
    parent_refs: list[Open]
    hostnames: list[Host]
    timeouts: bool


class InferencePool(Group):
    """An InferencePool."""

    enabled: bool
    failure_mode: Literal["FailOpen", "FailClose"]


class Ingress(Group):
    """An Ingress."""

    enabled: bool
    class_name: NameOrNone
    host: HostOrNone
    tls_secret: NameOrNone
    annotations: Annotations
