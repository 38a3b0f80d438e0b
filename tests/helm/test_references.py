"""What refers to something finds it: selectors their pods, mounts their volumes, ports a port."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.helm.references import Workload, files, matches, selectors, workloads
from tests.helm.releases import CASES, Case, release, release_notes
from tests.helm.rendering import Json, Rendered, render

# Objects whose selector means the pods of one workload alone.
OF_ONE: Final = ("Deployment", "Service", "PodDisruptionBudget", "PodMonitor", "InferencePool")
PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")

every_release = pytest.mark.parametrize("case", CASES)


@every_release
def test_every_selector_finds_its_pods_and_no_others(case: str) -> None:
    """What serves, guards or watches one pool or job finds exactly that."""
    pods = workloads(release(case).objects)
    found = {
        name: [pod.name for pod in pods if matches(selector, pod.labels)]
        for name, selector in selectors(release(case).objects)
    }
    assert [name for name, names in found.items() if not names] == []
    of_one = {name: names for name, names in found.items() if name.startswith(OF_ONE)}
    assert {name: names for name, names in of_one.items() if len(names) != 1} == {}
    deployments = [name for name in found if re.fullmatch(r"Deployment/[^']*", name)]
    assert {name: found[name] for name in deployments} == {name: [name] for name in deployments}


@every_release
def test_a_network_policy_holds_every_pod(case: str) -> None:
    """Where policies are made at all, no pod of the release is left open."""
    policies = [
        selector
        for name, selector in selectors(release(case).objects)
        if name.startswith("NetworkPolicy/")
    ]
    for pod in workloads(release(case).objects) if policies else []:
        assert any(matches(selector, pod.labels) for selector in policies), pod.name


def test_selectors_do_not_hang_on_values() -> None:
    """A Deployment's selector is immutable: whatever is changed, an upgrade must not meet it."""
    seen: dict[str, list[Json]] = {}
    for case in CASES:
        for deployment in release(case).all("Deployment"):
            seen.setdefault(deployment["metadata"]["name"], []).append(
                deployment["spec"]["selector"]
            )
    assert len(seen["demo-qwen3-vl-thinking"]) > 2
    assert {name: each for name, each in seen.items() if each != each[:1] * len(each)} == {}


@every_release
def test_every_mount_has_its_volume_and_every_volume_a_mount(case: str) -> None:
    """A name that is written wrong on one side is found on both."""
    for pod in workloads(release(case).objects):
        mounts = [mount for each in pod.containers for mount in each.get("volumeMounts", [])]
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        assert {mount["name"] for mount in mounts} == volumes, pod.name
        for container in pod.containers:
            places = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(set(places)) == len(places), (pod.name, container["name"])


@every_release
def test_what_a_pod_needs_is_made_or_said(case: str) -> None:
    """A Secret or claim that the release does not make was named in values or is in the notes."""
    made = {(each["kind"], each["metadata"]["name"]) for each in release(case).objects}
    needed = {need for pod in workloads(release(case).objects) for need in files(pod.spec)}
    missing = needed - made
    assert {kind for kind, _ in missing} <= {"Secret", "PersistentVolumeClaim"}
    said = CASES[case].given() + release_notes(case)
    assert [name for _, name in missing if name not in said] == []


@every_release
def test_entries_of_config_maps_exist(case: str) -> None:
    """A file that is taken out of a ConfigMap is in it."""
    maps = {each["metadata"]["name"]: each["data"] for each in release(case).all("ConfigMap")}
    mounted = [
        volume["configMap"]
        for pod in workloads(release(case).objects)
        for volume in pod.spec.get("volumes", [])
        if "configMap" in volume
    ]
    wanted = [(each["name"], item["key"]) for each in mounted for item in each.get("items", [])]
    assert [(name, key) for name, key in wanted if key not in maps[name]] == []


@every_release
def test_every_port_that_is_asked_is_offered(case: str) -> None:
    """Probes, Services, monitors and pools of endpoints go to a port of the pods they mean."""
    pods = workloads(release(case).objects)
    asked = [(pod.name, port, pod) for pod in pods for port in probed(pod)]
    chosen = dict(selectors(release(case).objects))
    for thing in release(case).objects:
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        own = [pod for pod in pods if name in chosen and matches(chosen[name], pod.labels)]
        asked += [(name, port, pod) for port in ports_of(thing) for pod in own]
    assert len(asked) >= 6
    assert [(name, port) for name, port, pod in asked if port not in pod.ports] == []


@every_release
def test_services_lead_to_ports_by_number(case: str) -> None:
    """Kubernetes before 1.32, and some meshes, find no name of a native sidecar's port."""
    services = release(case).all("Service")
    assert services
    ports = [port["targetPort"] for each in services for port in each["spec"]["ports"]]
    assert all(isinstance(port, int) for port in ports), ports


def probed(pod: Workload) -> Iterator[Any]:
    """Return the ports that a pod's probes ask."""
    for container in pod.containers:
        yield from (container[probe]["httpGet"]["port"] for probe in PROBES if probe in container)


def ports_of(thing: Json) -> list[Any]:
    """Return the ports by which an object reaches the pods it selects."""
    match thing:
        case {"kind": "Service", "spec": {"ports": ports}}:
            return [port["targetPort"] for port in ports]
        case {"kind": "PodMonitor", "spec": {"podMetricsEndpoints": endpoints}}:
            return [each["port"] for each in endpoints]
        case {"kind": "InferencePool", "spec": {"targetPorts": ports}}:
            return [port["number"] for port in ports]
    return []


@every_release
def test_routes_and_scalers_lead_somewhere(case: str) -> None:
    """Each HTTPRoute, Ingress and ScaledObject names an object of this release, and its port."""
    rendered = release(case)
    names = {(each["kind"], each["metadata"]["name"]) for each in rendered.objects}
    for kind, name, port in targets(rendered):
        assert (kind, name) in names
        if kind == "Service":
            ports = rendered.one("Service", name)["spec"]["ports"]
            assert port in {each[key] for each in ports for key in ("name", "port")}


def targets(rendered: Rendered) -> Iterator[tuple[str, str, Any]]:
    """Return what is referred to by name: kind, name and, of a Service, the port."""
    for scaled in rendered.all("ScaledObject"):
        target = scaled["spec"]["scaleTargetRef"]
        yield target.get("kind", "Deployment"), target["name"], None
    for route in rendered.all("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                yield backend.get("kind", "Service"), backend["name"], backend.get("port")
    for ingress in rendered.all("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                yield "Service", service["name"], next(iter(service["port"].values()))


def test_pods_of_two_releases_are_told_apart() -> None:
    """No selector of a release finds a pod of another one beside it."""
    others = workloads(render(release="other").objects)
    for name, selector in selectors(release("everything").objects):
        assert [pod.name for pod in others if matches(selector, pod.labels)] == [], name


def test_every_optional_part_is_among_the_cases() -> None:
    """Else the checks above would hold of nothing."""
    assert CASES["everything"] != Case()
    kinds = {each["kind"] for each in release("everything").objects}
    assert {"Ingress", "HTTPRoute", "InferencePool", "ScaledObject", "PodMonitor"} <= kinds
    assert {"Job", "Pod", "PodDisruptionBudget", "NetworkPolicy", "PrometheusRule"} <= kinds
