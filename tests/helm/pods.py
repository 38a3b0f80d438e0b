"""A pool's pod as the chart renders it, its parts by name."""

from typing import Any

import yaml

from tests.helm.rendering import Json, Rendered


def pod_of(rendered: Rendered, pool: str = "thinking", release: str = "demo") -> Json:
    """Return the PodSpec of a pool."""
    name = f"{release}-qwen3-vl-{pool}"
    spec: Json = rendered.one("Deployment", name)["spec"]["template"]["spec"]
    return spec


def containers_of(pod: Json) -> dict[str, Json]:
    """Return a pod's containers by name, those for its start included."""
    return {each["name"]: each for each in (*pod.get("initContainers", ()), *pod["containers"])}


def settings_of(rendered: Rendered, pool: str = "thinking", release: str = "demo") -> Json:
    """Return the configuration that the pods of a pool read."""
    name = f"{release}-qwen3-vl-{pool}-settings"
    settings: Json = yaml.safe_load(rendered.one("ConfigMap", name)["data"]["settings.yaml"])
    return settings


def environment_of(container: Json) -> dict[str, Any]:
    """Return a container's environment; what comes from elsewhere as its reference."""
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def mounts_of(container: Json) -> dict[str, Json]:
    """Return where a container sees its volumes, by path."""
    return {each["mountPath"]: each for each in container["volumeMounts"]}
