"""What network policies let through, judged as Kubernetes defines it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.helm.rendering import Json


@dataclass(frozen=True)
class Pod:
    """A pod as policies see it; a namespace has its name as its label."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "models"


# Anything outside the cluster is its address.
Peer = Pod | str


def may_send(
    policies: Iterable[Json], pod: Pod, peer: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Tell whether policies let a pod connect to a peer's port."""
    return _passes(policies, pod, peer, ("Egress", "to", port, protocol))


def may_receive(
    policies: Iterable[Json], pod: Pod, peer: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Tell whether policies let a peer connect to a port of a pod."""
    return _passes(policies, pod, peer, ("Ingress", "from", port, protocol))


def _passes(policies: Iterable[Json], pod: Pod, peer: Peer, way: tuple[str, str, int, str]) -> bool:
    """A pod that no policy selects is open; otherwise one rule of one policy must match."""
    kind, side, port, protocol = way
    mine = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace
        and kind in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], pod.labels)
    ]
    return not mine or any(
        _is_port(rule, port, protocol) and _is_peer(rule, side, peer, policy["metadata"])
        for policy in mine
        for rule in policy["spec"].get(kind.lower()) or ()
    )


def _is_port(rule: Json, port: int, protocol: str) -> bool:
    """A rule that lists no ports is for all."""
    listed = rule.get("ports")
    return not listed or {"port": port, "protocol": protocol} in listed


def _is_peer(rule: Json, side: str, peer: Peer, policy: Json) -> bool:
    """A rule that lists no peers is for everybody."""
    assert set(rule) <= {side, "ports"}, rule
    listed = rule.get(side)
    return not listed or any(_is(each, peer, policy["namespace"]) for each in listed)


def _is(listed: Json, peer: Peer, namespace: str) -> bool:
    """Selectors are for pods, blocks for addresses; without a namespace it is the policy's own."""
    assert set(listed) <= {"ipBlock", "podSelector", "namespaceSelector"}, listed
    if isinstance(peer, str):
        return "ipBlock" in listed and _holds(listed["ipBlock"], peer)
    if "ipBlock" in listed:
        return False
    there = {"kubernetes.io/metadata.name": peer.namespace}
    spaces = listed.get("namespaceSelector")
    near = peer.namespace == namespace if spaces is None else _selects(spaces, there)
    return near and _selects(listed.get("podSelector", {}), peer.labels)


def _holds(block: Json, address: str) -> bool:
    """The API server refuses what is excepted from a network that does not hold it."""
    found, whole = ip_address(address), ip_network(block["cidr"])
    excepted = [ip_network(each) for each in block.get("except", ())]
    assert all(each[0] in whole and each[-1] in whole for each in excepted), block
    return found in whole and not any(found in each for each in excepted)


def _selects(selector: Json, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()
