"""What the objects of a release refer to in each other: pods by labels, files by volumes, ports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.helm.rendering import Json

# Where the pod of a kind is described.
TEMPLATES: Final = {"Deployment": ("spec", "template"), "Job": ("spec", "template"), "Pod": ()}
CONTAINERS: Final = ("initContainers", "containers")


@dataclass(frozen=True)
class Workload:
    """A pod that a release runs, and the object that makes it."""

    name: str
    labels: dict[str, str]
    spec: Json

    @property
    def containers(self) -> list[Json]:
        """All containers, those that run before the others included."""
        return [each for part in CONTAINERS for each in self.spec.get(part, [])]

    @property
    def ports(self) -> set[Any]:
        """The ports that its containers offer, by name and by number."""
        found = [port for each in self.containers for port in each.get("ports", [])]
        return {port[key] for port in found for key in ("name", "containerPort")}


def workloads(objects: list[Json]) -> list[Workload]:
    """Return the pods of a release."""
    found = []
    for thing in objects:
        if thing["kind"] not in TEMPLATES:
            continue
        template = thing
        for key in TEMPLATES[thing["kind"]]:
            template = template[key]
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        found.append(Workload(name, template["metadata"].get("labels", {}), template["spec"]))
    return found


def selectors(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Return every selector of pods as a LabelSelector, with the name of the object it is in."""
    for thing in objects:
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        match thing:
            case {"kind": "Service", "spec": {"selector": labels}}:
                yield name, {"matchLabels": labels}
            case {"kind": "NetworkPolicy", "spec": {"podSelector": selector}}:
                yield name, selector
            case {"spec": {"selector": dict(selector)}}:
                yield name, selector
    for workload in workloads(objects):
        for spread in workload.spec.get("topologySpreadConstraints", []):
            yield f"{workload.name}'s spread", spread["labelSelector"]


def matches(selector: Json, labels: dict[str, str]) -> bool:
    """Tell whether a LabelSelector matches, as Kubernetes decides it."""
    if not all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions", []))


def _holds(expression: Json, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise AssertionError(f"Kubernetes has no operator {other}")


def files(spec: Json) -> Iterator[tuple[str, str]]:
    """Return the ConfigMaps, Secrets, claims and accounts that a pod needs, as (kind, name)."""
    yield "ServiceAccount", spec["serviceAccountName"]
    for secret in spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"]
    for volume in spec.get("volumes", []):
        match volume:
            case {"configMap": {"name": name}}:
                yield "ConfigMap", name
            case {"secret": {"secretName": name}}:
                yield "Secret", name
            case {"persistentVolumeClaim": {"claimName": name}}:
                yield "PersistentVolumeClaim", name
    for part in CONTAINERS:
        for container in spec.get(part, []):
            yield from _of_environment(container)


def _of_environment(container: Json) -> Iterator[tuple[str, str]]:
    for variable in container.get("env", []):
        match variable.get("valueFrom", {}):
            case {"secretKeyRef": {"name": name}}:
                yield "Secret", name
            case {"configMapKeyRef": {"name": name}}:
                yield "ConfigMap", name


def strings(value: Any) -> Iterator[str]:
    """Return every text in an object, keys included."""
    match value:
        case str():
            yield value
        case dict():
            for key, child in value.items():
                yield key
                yield from strings(child)
        case list():
            for child in value:
                yield from strings(child)


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Return where a value is null: what a template left empty."""
    match value:
        case None:
            yield path
        case dict():
            for key, child in value.items():
                yield from nulls(child, f"{path}.{key}")
        case list():
            for index, child in enumerate(value):
                yield from nulls(child, f"{path}.{index}")
