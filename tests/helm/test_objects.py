"""What holds for every object of every release, whoever renders it: names, ports, images, text."""

import re
from typing import Final

import pytest

from tests.helm.references import nulls, strings, workloads
from tests.helm.releases import CASES, release
from tests.helm.rendering import Json, render

LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# A Service's name is a name in DNS too, where a digit in front was not allowed until lately.
SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
PORT_NAME: Final = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?([mkMGTPE]|[KMGTPE]i)?")
# How Go prints what a template should have turned into text.
UNRENDERED: Final = re.compile(r"<no value>|<nil>|%!|map\[|\d(\.\d+)?e[+-]\d\d")
# Texts of others, which may hold any of these.
AS_WRITTEN: Final = ("dashboard", "PrometheusRule")

every_release = pytest.mark.parametrize("case", CASES)


def called(thing: Json) -> str:
    """Name an object."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


@every_release
def test_names_are_names_in_dns(case: str) -> None:
    """Objects, containers and volumes have names that are labels, of at most 63 characters."""
    objects = release(case).objects
    assert [called(each) for each in objects if not LABEL.fullmatch(each["metadata"]["name"])] == []
    services = [each["metadata"]["name"] for each in release(case).all("Service")]
    assert [name for name in services if not SERVICE.fullmatch(name)] == []
    for workload in workloads(objects):
        parts = [*workload.containers, *workload.spec.get("volumes", [])]
        assert [each["name"] for each in parts if not LABEL.fullmatch(each["name"])] == []


@every_release
def test_no_name_is_there_twice(case: str) -> None:
    """Neither among objects of a kind nor within a pod."""
    names = [called(each) for each in release(case).objects]
    assert len(set(names)) == len(names)
    for workload in workloads(release(case).objects):
        lists = [workload.containers, workload.spec.get("volumes", [])]
        lists += [each.get("env", []) for each in workload.containers]
        for parts in lists:
            found = [part["name"] for part in parts]
            assert len(set(found)) == len(found), (workload.name, found)


@every_release
def test_every_object_is_in_the_releases_namespace(case: str) -> None:
    """Without a namespace of its own an object goes where kubectl happens to point."""
    found = {called(each): each["metadata"].get("namespace") for each in release(case).objects}
    assert {name: found[name] for name in found if found[name] != "models"} == {}


@every_release
def test_labels_say_whose_an_object_is(case: str) -> None:
    """Every object has the chart's labels, all of them values that Kubernetes takes."""
    for thing in release(case).objects:
        labels = thing["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "demo", called(thing)
        assert labels["app.kubernetes.io/managed-by"] == "Helm", called(thing)
        assert labels["helm.sh/chart"].startswith("qwen3-vl-"), called(thing)
        wrong = {key: value for key, value in labels.items() if not LABEL_VALUE.fullmatch(value)}
        assert wrong == {}, called(thing)


def test_every_object_and_pod_has_the_users_labels() -> None:
    """A policy that asks for a cost centre finds it on pods, and those of jobs are pods, too."""
    objects = release("everything").objects
    assert {
        called(each) for each in objects if each["metadata"]["labels"].get("team") != "vision"
    } == set()
    pods = [each["spec"]["template"] for each in objects if "template" in each.get("spec", {})]
    assert len(pods) >= 5
    assert {each["metadata"]["labels"].get("team") for each in pods} == {"vision"}


def test_a_pool_s_annotations_are_its_pods() -> None:
    """What others read of a pod is handed on; what the chart needs of it stays the chart's."""
    own = {"karpenter.sh/do-not-disrupt": "true", "checksum/settings": "mine"}
    [one] = render({"pool": {"podAnnotations": own}}).all("Deployment")
    annotations = one["spec"]["template"]["metadata"]["annotations"]
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"
    assert annotations["kubectl.kubernetes.io/default-container"] == "engine"
    assert len(annotations["checksum/settings"]) == 64


@every_release
def test_every_port_says_name_and_protocol(case: str) -> None:
    """Server-side apply refuses a port without protocol, and kubelet a name of 16 characters."""
    objects = release(case).objects
    ports = [
        port
        for workload in workloads(objects)
        for each in workload.containers
        for port in each.get("ports", [])
    ]
    ports += [port for each in release(case).all("Service") for port in each["spec"]["ports"]]
    assert len(ports) >= 3
    assert [port for port in ports if port.get("protocol") != "TCP"] == []
    assert [port for port in ports if not PORT_NAME.fullmatch(port["name"])] == []
    policies = release(case).all("NetworkPolicy")
    rules = [
        rule
        for each in policies
        for direction in ("ingress", "egress")
        for rule in each["spec"].get(direction, [])
    ]
    open_to = [port for rule in rules for port in rule.get("ports", [])]
    assert [port for port in open_to if port.get("protocol") not in ("TCP", "UDP")] == []


@every_release
def test_every_image_has_one_version(case: str) -> None:
    """A tag other than latest, or a digest."""
    for workload in workloads(release(case).objects):
        images = [each["image"] for each in workload.containers]
        images += [
            volume["image"]["reference"]
            for volume in workload.spec.get("volumes", [])
            if "image" in volume
        ]
        for image in images:
            last = image.rpartition("/")[2]
            name, separator, version = last.partition("@" if "@" in last else ":")
            assert name, (workload.name, image)
            assert separator, (workload.name, image)
            assert version not in ("", "latest"), (workload.name, image)


@every_release
def test_nothing_is_left_to_go(case: str) -> None:
    """No text holds a value that was missing, a map, or an integer printed as a float."""
    for thing in release(case).objects:
        if any(part in called(thing) for part in AS_WRITTEN):
            continue
        assert [text for text in strings(thing) if UNRENDERED.search(text)] == [], called(thing)


@every_release
def test_nothing_is_left_empty(case: str) -> None:
    """No field is null: it would be dropped, with what the template meant to say."""
    for thing in release(case).objects:
        assert list(nulls(thing)) == [], called(thing)


@every_release
def test_quantities_are_quantities(case: str) -> None:
    """Memory, disk and cores are numbers that the API server parses, requests within limits."""
    for workload in workloads(release(case).objects):
        sizes = [
            volume["emptyDir"]["sizeLimit"]
            for volume in workload.spec.get("volumes", [])
            if "sizeLimit" in volume.get("emptyDir", {})
        ]
        for container in workload.containers:
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), workload.name
            assert "memory" in resources["limits"], workload.name
            sizes += [*resources["requests"].values(), *resources["limits"].values()]
        assert [size for size in sizes if not QUANTITY.fullmatch(str(size))] == [], workload.name


def test_long_names_stay_names_and_apart() -> None:
    """A release of 53 characters and two pools that differ at their ends alone still install."""
    pools = {"thinking": None, "instruct-v1": {}, "instruct-v2": {}}
    objects = render({"pools": pools}, release="r" * 53).objects
    names = [called(each) for each in objects]
    assert [called(each) for each in objects if not LABEL.fullmatch(each["metadata"]["name"])] == []
    assert len(set(names)) == len(names)
    for workload in workloads(objects):
        values = workload.labels.values()
        assert [value for value in values if not LABEL_VALUE.fullmatch(value)] == []


def test_two_releases_share_no_name() -> None:
    """Installed beside each other in a namespace, neither takes what is the other's."""
    one, other = (
        {called(each) for each in render(release=name).objects} for name in ("demo", "other")
    )
    assert one & other == set()
