"""What clusters hold, as objects of Kubernetes: one that the chart fits, and one of everything."""

from typing import Any

from tests.deploy.cluster import BUILT_IN, OPTIONAL, Cluster, Json, Kind

# What the Secrets hold, in base64.
CONTENT = "dmVyeS1zZWNyZXQ="
H100 = "NVIDIA-H100-80GB-HBM3"
GPU = "nvidia.com/gpu"


def thing(kind: str, name: str, namespace: str = "", **parts: Any) -> Json:
    """Return an object; `labels` and `annotations` belong to its metadata."""
    (found,) = [k for k in BUILT_IN if k.kind == kind]
    version = f"{found.group}/{found.version}".removeprefix("/")
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    for part in ("labels", "annotations"):
        if part in parts:
            metadata[part] = parts.pop(part)
    return {"apiVersion": version, "kind": kind, "metadata": metadata} | parts


def node(name: str, product: str, count: int = 8, resource: str = GPU, **spec: Any) -> Json:
    """Return a node with GPUs."""
    labels = {"kubernetes.io/hostname": name} | ({"nvidia.com/gpu.product": product})
    allocatable = {"cpu": "96", resource: str(count)}
    return thing("Node", name, labels=labels, spec=spec, status={"allocatable": allocatable})


def pod(where: str, gpus: int, phase: str = "Running") -> Json:
    """Return a pod on a node; its name need not differ from another's."""
    requests = {"cpu": "1", GPU: str(gpus)}
    containers = [{"name": "c", "resources": {"requests": requests}}]
    spec = {"nodeName": where, "containers": containers}
    return thing("Pod", "p", "team", spec=spec, status={"phase": phase})


def storage(name: str, provisioner: str, *, default: bool = False) -> Json:
    """Return a StorageClass."""
    key = "storageclass.kubernetes.io/is-default-class"
    annotations = {key: "true"} if default else {}
    return thing("StorageClass", name, annotations=annotations, provisioner=provisioner)


def secrets(release: str = "qwen3-vl") -> list[Json]:
    """Return the Secrets that a release expects, with content that nobody may print."""
    names = (f"{release}-keys", f"{release}-client-key")
    return [thing("Secret", name, "models", data={"keys.yaml": CONTENT}) for name in names]


def fitting(*more: Json, **fields: Any) -> Cluster:
    """Return a cluster that the chart fits with its defaults, and more in it."""
    objects = [
        node("gpu-0", H100),
        storage("fast", "ebs.csi.aws.com", default=True),
        thing("Namespace", "models", labels={"pod-security.kubernetes.io/enforce": "restricted"}),
        thing("Pod", "dns", "kube-system", labels={"k8s-app": "kube-dns"}, status={"phase": "R"}),
        *secrets(),
    ]
    return Cluster(objects=[*objects, *more], **fields)


def without(cluster: Cluster, *kinds: str) -> Cluster:
    """Return a cluster without the objects of some kinds."""
    cluster.objects = [o for o in cluster.objects if o["kind"] not in kinds]
    return cluster


def rich() -> Cluster:
    """Return a cluster that has everything, most of it to be set."""
    taints = [
        {"key": GPU, "value": "present", "effect": "NoSchedule"},
        {"key": "pool", "value": "llm", "effect": "NoExecute"},
    ]
    elsewhere = thing(
        "Node", "cpu", labels={}, status={"allocatable": {"cpu": "4"}},
        spec={"taints": [{"key": "arm", "effect": "NoSchedule"}]},
    )  # fmt: skip
    constraints = Kind(
        "security.openshift.io", "v1", "securitycontextconstraints",
        "SecurityContextConstraints", namespaced=False,
    )  # fmt: skip
    labels = {"app.kubernetes.io/name": "qwen3-vl", "app.kubernetes.io/instance": "qwen3-vl"}
    return fitting(
        node("l40s", "NVIDIA-L40S", 12, taints=taints),
        node("t4", "Tesla-T4", 20),
        elsewhere,
        storage("nfs", "nfs.csi.k8s.io"),
        thing("RuntimeClass", "nvidia", handler="nvidia"),
        thing("PriorityClass", "serving", value=1000),
        thing("PriorityClass", "system-node-critical", value=2000),
        thing("Deployment", "d", "models", labels=labels),
        thing("ResourceQuota", "gpus", "models"),
        thing("LimitRange", "cpu", "models"),
        thing("ResourceQuota", "theirs", "team"),
        kinds=(*BUILT_IN, *OPTIONAL, constraints),
        version="v1.33.1",
    )
