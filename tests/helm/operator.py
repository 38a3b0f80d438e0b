"""What the Prometheus operator makes of a PodMonitor, and Prometheus of the pods it selects."""

from collections.abc import Iterator
from typing import Final

from tests.helm.rendering import Json

META: Final = "__meta_kubernetes_"
# Before a monitor's own relabelings: pods that are over go, and targets are named by their pod.
ALWAYS: Final = (
    {"source_labels": [f"{META}pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop"},
    {"source_labels": [f"{META}namespace"], "target_label": "namespace"},
    {"source_labels": [f"{META}pod_container_name"], "target_label": "container"},
    {"source_labels": [f"{META}pod_name"], "target_label": "pod"},
)
FIELDS: Final = {"sourceLabels": "source_labels", "targetLabel": "target_label"}


def scrape_configs(monitor: Json, pods: list[Json]) -> list[Json]:
    """Return the operator's scrape configuration for each endpoint of a monitor.

    The pods, which Prometheus would hear of from the API server, are listed in it.
    """
    namespace, name = monitor["metadata"]["namespace"], monitor["metadata"]["name"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    chosen = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
    return [
        {
            "job_name": f"podMonitor/{namespace}/{name}/{number}",
            "metrics_path": endpoint["path"],
            "scrape_interval": endpoint["interval"],
            "scrape_timeout": endpoint["scrapeTimeout"],
            "static_configs": [each for pod in chosen for each in targets(pod)],
            "relabel_configs": [
                *ALWAYS,
                {
                    "source_labels": [f"{META}pod_container_port_name"],
                    "regex": endpoint["port"],
                    "action": "keep",
                },
                {"target_label": "job", "replacement": f"{namespace}/{name}"},
                *({FIELDS.get(key, key): said for key, said in each.items()}
                  for each in endpoint["relabelings"]),
            ],
        }
        for number, endpoint in enumerate(monitor["spec"]["podMetricsEndpoints"])
    ]  # fmt: skip


def targets(pod: Json) -> Iterator[Json]:
    """Yield what Prometheus discovers of a pod: each port of its containers, then of its init
    containers, a native sidecar's among them; one target of whichever has no port.
    """
    spec, address = pod["spec"], pod["status"]["podIP"]
    every = {
        f"{META}namespace": pod["metadata"]["namespace"],
        f"{META}pod_name": pod["metadata"]["name"],
        f"{META}pod_phase": pod["status"]["phase"],
    }
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind, ()):
            own = {
                f"{META}pod_container_name": container["name"],
                f"{META}pod_container_init": str(kind == "initContainers").lower(),
            }
            if "ports" not in container:
                yield {"targets": [address], "labels": every | own}
            for port in container.get("ports", ()):
                name = {f"{META}pod_container_port_name": port["name"]}
                where = f"{address}:{port['containerPort']}"
                yield {"targets": [where], "labels": every | own | name}
