"""The network policies: who reaches the pods, and whom the pods reach."""

from functools import cache
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.address import AddressRule
from tests.helm.network import Peer, Pod, may_receive, may_send
from tests.helm.pods import containers_of, pod_of
from tests.helm.rendering import Json, render

POOL = "app.kubernetes.io/component"
NAME, RELEASE = "app.kubernetes.io/name", "app.kubernetes.io/instance"


def pool_pod(pool: str = "thinking") -> Pod:
    """Return a pod of a pool."""
    return Pod({NAME: "qwen3-vl", RELEASE: "demo", POOL: pool})


def job_pod(job: str, release: str = "demo") -> Pod:
    """Return a pod of a kind of job."""
    return Pod({NAME: "qwen3-vl-job", RELEASE: release, POOL: job})


STRANGER = Pod({"app": "shop"}, "shops")
NEIGHBOUR = Pod({"app": "shop"})
SCRAPER = Pod({"app": "prometheus"}, "monitoring")
PICKER = Pod({"llm-d-router-standalone": "demo-qwen3-vl-thinking-epp"})
DNS = Pod({"k8s-app": "kube-dns"}, "kube-system")
NODE_DNS = Pod({"k8s-app": "node-local-dns"}, "kube-system")
DATABASE = Pod({"app": "postgres"}, "databases")
COLLECTOR = Pod({"app": "otel"}, "telemetry")
PROXY = Pod({"app": "squid"}, "edge")
PUBLIC = "8.8.8.8"


def everywhere(app: str) -> list[Json]:
    """Return the peers that name an app in whichever namespace."""
    return [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": app}}}]


MORE: dict[str, Any] = {
    "networkPolicy": {
        "clients": everywhere("shop"),
        "store": everywhere("postgres"),
        "telemetry": everywhere("otel"),
        "proxy": everywhere("squid"),
        "internet": False,
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.7.0.0/16"}}]}],
    },
    "proxy": {"url": "http://squid.edge:3128"},
    "pool": {
        "inferencePool": {"enabled": True},
        "weights": {"downloadJob": True},
        "settings": {"gateway": {"media_private_networks": ["10.9.0.0/16", "fd12::/16"]}},
    },
    "pools": {"instruct": {"settings": {"engine": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}}},
    "loadtest": {"enabled": True},
}
JOBS: dict[str, Any] = {
    "loadtest": {"enabled": True},
    "pool": {"weights": {"downloadJob": True}},
}
NOBODY: dict[str, Any] = {
    "networkPolicy": {"monitoring": [], "dns": [], "internet": False},
    "offline": True,
    "pool": {"weights": {"claim": {"existing": "weights"}}},
}


@cache
def policies(case: str = "defaults") -> list[Json]:
    """Return the policies of the defaults with all jobs, of more values, or of none."""
    values = {"defaults": JOBS, "more": MORE, "nobody": NOBODY}[case]
    return render(values).all("NetworkPolicy")


@pytest.mark.parametrize(
    ("peer", "port", "passes"),
    [
        (STRANGER, 8000, True),
        (PUBLIC, 8000, True),
        (SCRAPER, 9000, True),
        (job_pod("loadtest"), 9000, True),
        (job_pod("verify"), 8000, True),
        (STRANGER, 9000, False),
        (NEIGHBOUR, 9000, False),
        (PUBLIC, 9000, False),
        (PICKER, 9000, False),
        (job_pod("verify"), 9000, False),
        (job_pod("weights"), 9000, False),
        (job_pod("loadtest", release="other"), 9000, False),
        (pool_pod("instruct"), 9000, False),
        (SCRAPER, 8001, False),
        (NEIGHBOUR, 22, False),
    ],
)
def test_who_reaches_a_pool(peer: Peer, port: int, passes: bool) -> None:
    """Everybody its API, few its metrics, and no other port is open."""
    assert may_receive(policies(), pool_pod(), peer, port) is passes


@pytest.mark.parametrize(
    ("peer", "port", "passes"),
    [
        (STRANGER, 8000, True),
        (job_pod("verify"), 8000, True),
        (job_pod("loadtest"), 8000, True),
        (PICKER, 9000, True),
        (SCRAPER, 8000, False),
        (PUBLIC, 8000, False),
        (job_pod("verify", release="other"), 8000, False),
        (STRANGER, 9000, False),
    ],
)
def test_who_reaches_a_pool_of_named_clients(peer: Peer, port: int, passes: bool) -> None:
    """Those clients, the release's own jobs, and the picker that reads metrics."""
    assert may_receive(policies("more"), pool_pod(), peer, port) is passes


@pytest.mark.parametrize(
    ("peer", "port", "passes"),
    [
        (PUBLIC, 443, True),
        ("2001:4860:4860::8888", 443, True),
        (DNS, 53, True),
        (NODE_DNS, 53, True),
        ("169.254.20.10", 53, True),
        ("169.254.169.254", 53, False),
        (PUBLIC, 80, False),
        (PUBLIC, 53, False),
        ("169.254.169.254", 443, False),
        ("168.63.129.16", 443, False),
        ("100.100.100.200", 443, False),
        ("fd00:ec2::254", 443, False),
        ("fe80::1", 443, False),
        ("::1", 443, False),
        ("64:ff9b::a9fe:a9fe", 443, False),
        ("2002:a9fe:a9fe::1", 443, False),
        ("10.1.2.3", 443, False),
        ("172.31.255.255", 443, False),
        ("192.168.0.1", 443, False),
        ("127.0.0.1", 443, False),
        (DNS, 443, False),
        (Pod(namespace="kube-system"), 53, False),
        (DATABASE, 5432, False),
        (COLLECTOR, 4318, False),
        (NEIGHBOUR, 443, False),
        (pool_pod("instruct"), 8000, False),
    ],
)
def test_whom_a_pool_reaches(peer: Peer, port: int, passes: bool) -> None:
    """Name servers and port 443 of public addresses; no network inside, no cloud's metadata."""
    assert may_send(policies(), pool_pod(), peer, port) is passes


@pytest.mark.parametrize(
    ("peer", "port", "passes"),
    [
        (DATABASE, 5432, True),
        (COLLECTOR, 4318, True),
        (PROXY, 3128, True),
        ("10.9.1.1", 443, True),
        ("10.9.1.1", 80, True),
        ("fd12::1", 443, True),
        ("10.7.1.1", 22, True),
        (DATABASE, 443, False),
        (COLLECTOR, 5432, False),
        (PROXY, 443, False),
        ("10.9.1.1", 22, False),
        ("10.8.1.1", 443, False),
        (PUBLIC, 443, False),
    ],
)
def test_whom_a_pool_reaches_by_values(peer: Peer, port: int, passes: bool) -> None:
    """The store, the collector, the proxy, pictures' private networks and the user's own rules."""
    assert may_send(policies("more"), pool_pod(), peer, port) is passes


@pytest.mark.parametrize(
    ("job", "peer", "port", "passes"),
    [
        ("weights", PUBLIC, 443, True),
        ("weights", DNS, 53, True),
        ("weights", "10.1.2.3", 443, False),
        ("weights", "169.254.169.254", 443, False),
        ("weights", pool_pod(), 8000, False),
        ("verify", pool_pod(), 8000, True),
        ("verify", pool_pod("instruct"), 8000, True),
        ("verify", DNS, 53, True),
        ("verify", pool_pod(), 9000, False),
        ("verify", NEIGHBOUR, 8000, False),
        ("verify", PUBLIC, 443, False),
        ("loadtest", pool_pod(), 8000, True),
        ("loadtest", pool_pod(), 9000, True),
        ("loadtest", PUBLIC, 443, False),
        ("loadtest", STRANGER, 8000, False),
    ],
)
def test_whom_the_jobs_reach(job: str, peer: Peer, port: int, passes: bool) -> None:
    """Weights come from outside; what asks the pools reaches nothing else."""
    assert may_send(policies(), job_pod(job), peer, port) is passes


@pytest.mark.parametrize("job", ["weights", "verify", "loadtest"])
@pytest.mark.parametrize("peer", [STRANGER, NEIGHBOUR, SCRAPER, pool_pod(), PUBLIC])
def test_nobody_reaches_a_job(job: str, peer: Peer) -> None:
    """No port of theirs is open."""
    assert not any(may_receive(policies(), job_pod(job), peer, n) for n in (22, 8000, 9000, 5557))


def test_lists_without_peers_let_nobody_through() -> None:
    """An empty list of peers would be everybody in a NetworkPolicy."""
    found = policies("nobody")
    for peer in (STRANGER, SCRAPER, NEIGHBOUR, PUBLIC):
        assert not may_receive(found, pool_pod(), peer, 9000)
    for peer in (DNS, NODE_DNS, "169.254.20.10", DATABASE, COLLECTOR, PROXY, PUBLIC):
        assert not any(may_send(found, pool_pod(), peer, n) for n in (53, 443, 3128, 4318, 5432))
    assert not may_send(found, job_pod("verify"), DNS, 53, "UDP")


def test_offline_reaches_nothing_outside() -> None:
    """Neither pools nor a download's job go out, and name servers still answer."""
    offline = {"offline": True, "pool": {"weights": {"claim": {"existing": "weights"}}}}
    found = render(offline).all("NetworkPolicy")
    assert not may_send(found, pool_pod(), PUBLIC, 443)
    assert may_send(found, pool_pod(), DNS, 53, "UDP")
    names = {each["metadata"]["name"] for each in found}
    assert names == {"demo-qwen3-vl-thinking", "demo-qwen3-vl-verify"}


@given(st.ip_addresses(v=4))
def test_what_the_gateway_may_fetch_is_open(address: IPv4Address) -> None:
    """The policy refuses no picture that the gateway's own rule for addresses allows."""
    if AddressRule([]).allows(str(address)):
        assert may_send(policies(), pool_pod(), str(address), 443)


def test_the_engine_has_no_port() -> None:
    """It listens on a socket in the pod: there is nothing to close."""
    containers = containers_of(pod_of(render()))
    assert "ports" not in containers["engine"]
    ports = [each["containerPort"] for each in containers["gateway"]["ports"]]
    assert ports == [8000, 9000]


def test_each_pod_of_the_chart_has_its_policy() -> None:
    """Pools, jobs and hooks are selected by the policy that is meant for them, and by one alone."""
    found = render({"loadtest": {"enabled": True}})
    selectors = [each["spec"]["podSelector"]["matchLabels"] for each in found.all("NetworkPolicy")]
    labels = [each["metadata"]["labels"] for each in found.all("Pod")]
    for kind in ("Deployment", "Job"):
        labels += [each["spec"]["template"]["metadata"]["labels"] for each in found.all(kind)]
    assert len(labels) >= 3
    for each in labels:
        assert len([one for one in selectors if one.items() <= each.items()]) == 1, each


@pytest.mark.parametrize("source", ["ephemeral", "image"])
def test_without_a_download_job_it_has_no_policy(source: str) -> None:
    """A policy that selects nothing would only puzzle whoever reads it."""
    weights = {"source": source, "image": {"repository": "weights", "tag": "v1"}}
    found = render({"pool": {"weights": weights}}).all("NetworkPolicy")
    assert "demo-qwen3-vl-weights" not in {each["metadata"]["name"] for each in found}


def test_policies_can_be_left_out() -> None:
    """A cluster may bring its own."""
    assert render({"networkPolicy": {"enabled": False}}).all("NetworkPolicy") == []
