"""Values that contradict each other, what is said of them, and what makes them agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serving.engine.shape import QWEN3_VL_8B

Json = dict[str, Any]


@dataclass(frozen=True)
class Contradiction:
    """What a refusal says of values, and what is to be laid over them."""

    said: str
    values: Json
    repair: Json
    kube: str = "1.34"


def engine(**options: Any) -> Json:
    """Return values with these options of the engine."""
    return {"pool": {"settings": {"engine": options}}}


def gateway(**options: Any) -> Json:
    """Return values with these options of the gateway."""
    return {"pool": {"settings": {"gateway": options}}}


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Return both, the second winning."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = over(merged[key], value) if both else value
    return {key: value for key, value in merged.items() if value != DELETED}


DELETED = "deleted"


PEER = [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
SHARED = {"pool": {"weights": {"claim": {"accessMode": "ReadWriteMany"}}}}
SINGLE = "weights.claim.accessMode is ReadWriteOnce"
TWO: Json = {"pools": {"thinking": {}, "other": {}}}
PARENTS = [{"name": "public"}]
PROXY = {"proxy": {"url": "http://proxy:3128"}}
CPU = {"profile": "cpu"}
NO_GPU = {"pool": {"engine": {"gpuResource": ""}}}
ARGS = ["--api-key=x"]
SCALED = {"pool": {"scaling": {"enabled": True}}}
ROUTED = {
    "pool": {"route": {"enabled": True, "parentRefs": PARENTS, "hostnames": ["a.example.com"]}}
}

CASES: Final = [
    # The release.
    Contradiction("pools has no entry", {"pools": {"thinking": None}}, {"pools": {"a": {}}}),
    *(
        Contradiction(f"pools has {name}", {"pools": {name: {}}}, {"pools": {name: DELETED}})
        for name in ("weights", "verify", "loadtest", "thinking-engine", "thinking-admin", "a-epp")
    ),
    Contradiction("image.tag is latest", {"image": {"tag": "latest"}}, {"image": {"tag": "1.0"}}),
    Contradiction(
        "commonLabels has app.kubernetes.io/part-of",
        {"commonLabels": {"app.kubernetes.io/part-of": "x"}},
        {"commonLabels": {"app.kubernetes.io/part-of": DELETED, "example.com/part-of": "x"}},
    ),
    Contradiction(
        "offline is true and huggingFace.endpoint, huggingFace.tokenSecret or huggingFace.caSecret",
        {
            "offline": True,
            "huggingFace": {"tokenSecret": "hub"},
            "pool": {"weights": {"claim": {"existing": "weights"}}},
        },
        {"huggingFace": {"tokenSecret": ""}},
    ),
    Contradiction(
        "offline is true and proxy.url is http://proxy:3128",
        {
            **PROXY,
            "offline": True,
            "networkPolicy": {"internet": False, "proxy": PEER},
            "pool": {"weights": {"claim": {"existing": "weights"}}},
        },
        {"proxy": {"url": ""}},
    ),
    Contradiction(
        "proxy.url is http://proxy:3128 and networkPolicy.internet is true",
        {**PROXY, "networkPolicy": {"proxy": PEER}},
        {"networkPolicy": {"internet": False}},
    ),
    Contradiction(
        "networkPolicy.proxy names no peer",
        {**PROXY, "networkPolicy": {"internet": False, "extraEgress": [{"to": PEER}]}},
        {"networkPolicy": {"proxy": PEER}},
    ),
    Contradiction(
        "store.existingSecret is set and networkPolicy.store names no peer",
        {"store": {"existingSecret": "database"}},
        {"networkPolicy": {"store": PEER}},
    ),
    Contradiction(
        "loadtest.pool is other and pools has thinking",
        {"loadtest": {"pool": "other"}},
        {"pools": {"other": {}}},
    ),
    Contradiction(
        "loadtest.rate and loadtest.users are both set",
        {"loadtest": {"rate": 2, "users": "8"}},
        {"loadtest": {"users": ""}},
    ),
    Contradiction(
        "loadtest.durationSeconds is set",
        {"loadtest": {"durationSeconds": 60}},
        {"loadtest": {"users": 8}},
    ),
    Contradiction(
        "pools.other and pools.thinking have the same route.hostnames: a.example.com",
        {**TWO, **ROUTED},
        {"pools": {"other": {"route": {"hostnames": ["b.example.com"]}}}},
    ),
    Contradiction(
        "pools.other and pools.thinking have the same ingress.host: a.example.com",
        {**TWO, "pool": {"ingress": {"enabled": True, "host": "a.example.com"}}},
        {"pools": {"other": {"ingress": {"host": "b.example.com"}}}},
    ),
    Contradiction(
        "pools.other and pools.thinking have the same weights.claim.existing",
        {**TWO, "pool": {"weights": {"claim": {"existing": "weights"}}}},
        SHARED,
    ),
    # The pod.
    Contradiction(
        "its objects would be named",
        {"fullnameOverride": "f" * 40, "pools": {"thinking": None, "thirteen-more": {}}},
        {"fullnameOverride": "f" * 38},
    ),
    Contradiction(
        "settings.gateway.drain_grace_seconds, settings.gateway.drain_seconds, "
        "settings.engine.shutdown_timeout and 15 add up to 86401 s",
        gateway(drain_seconds=86_361),
        gateway(drain_seconds=86_360),
    ),
    Contradiction(
        "settings.store.usage is true and store.existingSecret is empty",
        {"pool": {"settings": {"store": {"usage": True}}}},
        {"store": {"existingSecret": "database"}, "networkPolicy": {"store": PEER}},
    ),
    Contradiction(
        "engine.extraEnv has NCCL_DEBUG twice",
        {"pool": {"engine": {"extraEnv": [{"name": "NCCL_DEBUG"}, {"name": "NCCL_DEBUG"}]}}},
        {"pool": {"engine": {"extraEnv": [{"name": "NCCL_DEBUG"}, {"name": "NCCL_ALGO"}]}}},
    ),
    Contradiction(
        "settings.gateway.host is 127.0.0.1", gateway(host="127.0.0.1"), gateway(host="::")
    ),
    # The engine.
    Contradiction("settings.engine.model is auto", engine(model="auto"), engine(model="a/b")),
    Contradiction(
        "engine.image.tag is latest",
        {"pool": {"engine": {"image": {"tag": "latest"}}}},
        {"pool": {"engine": {"image": {"tag": "v0.32.0"}}}},
    ),
    Contradiction(
        "engine.image has neither tag nor digest",
        {"pool": {"engine": {"image": {"tag": ""}}}},
        {"pool": {"engine": {"image": {"digest": f"sha256:{'0' * 64}"}}}},
    ),
    Contradiction(
        "settings.engine.profile is cpu and engine.gpuResource is nvidia.com/gpu",
        engine(**CPU),
        NO_GPU,
    ),
    Contradiction(
        "settings.engine.profile is cpu and settings.engine.tensor_parallel_size is 2",
        over(engine(**CPU, tensor_parallel_size=2), NO_GPU),
        engine(tensor_parallel_size=1),
    ),
    Contradiction(
        "settings.engine.profile is h100 and engine.gpuResource is empty", NO_GPU, engine(**CPU)
    ),
    Contradiction(
        f"does not divide the {QWEN3_VL_8B.kv_heads} KV heads",
        engine(tensor_parallel_size=3),
        engine(tensor_parallel_size=QWEN3_VL_8B.kv_heads),
    ),
    Contradiction(
        "settings.gateway.max_images is 9 and settings.engine.limit_images is 8",
        gateway(max_images=9),
        engine(limit_images=9),
    ),
    Contradiction(
        "settings.engine.mm_processor_cache_type is shm",
        engine(mm_processor_cache_type="shm"),
        engine(mm_processor_cache_gb=0.5),
    ),
    Contradiction(
        "settings.engine.max_num_queued_reqs is 31 and counts running requests too",
        engine(max_num_queued_reqs=31, max_num_seqs=32),
        engine(max_num_queued_reqs=32),
    ),
    Contradiction(
        "settings.engine.reasoning_end_text does not end with </think>",
        engine(reasoning_end_text="Enough."),
        engine(reasoning_end_text="Enough.</think>"),
    ),
    Contradiction(
        "settings.engine.extra_args has --api-key:",
        engine(extra_args=ARGS),
        engine(extra_args=["--seed=1"]),
    ),
    Contradiction(
        "engine.shmSize is 1000M and the settings need 1024Mi",
        {"pool": {"engine": {"shmSize": "1000M"}}},
        {"pool": {"engine": {"shmSize": "1Gi"}}},
    ),
    Contradiction(
        "engine.shmSize is 80Gi and engine.resources.memory is 64Gi",
        {"pool": {"engine": {"shmSize": "80Gi", "resources": {"memory": "64Gi"}}}},
        {"pool": {"engine": {"resources": {"memory": ""}}}},
    ),
    # The weights.
    Contradiction(
        "weights.source is builtin and settings.engine.model is Qwen/Qwen3-VL-8B-Thinking",
        {"pool": {"weights": {"source": "builtin"}}},
        engine(model="tiny"),
    ),
    Contradiction(
        "settings.engine.model is tiny and weights.source is claim",
        engine(model="tiny"),
        {"pool": {"weights": {"source": "builtin"}}},
    ),
    Contradiction(
        "weights.source is image and weights.image.repository is empty",
        {"pool": {"weights": {"source": "image"}}},
        {"pool": {"weights": {"image": {"repository": "weights", "tag": "1"}}}},
    ),
    Contradiction(
        "weights.source is image and weights.image has neither tag nor digest",
        {"pool": {"weights": {"source": "image", "image": {"repository": "weights"}}}},
        {"pool": {"weights": {"image": {"digest": f"sha256:{'0' * 64}"}}}},
    ),
    Contradiction(
        "weights.image.tag is latest",
        {
            "pool": {
                "weights": {"source": "image", "image": {"repository": "weights", "tag": "latest"}}
            }
        },
        {"pool": {"weights": {"image": {"tag": "1"}}}},
    ),
    Contradiction(
        "this cluster is Kubernetes v1.32",
        {"pool": {"weights": {"source": "image", "image": {"repository": "weights", "tag": "1"}}}},
        {"pool": {"weights": {"source": "claim"}}},
        kube="1.32.0",
    ),
    Contradiction(
        "offline is true and weights.source is ephemeral",
        {"offline": True, "pool": {"weights": {"source": "ephemeral"}}},
        {"offline": False},
    ),
    Contradiction(
        "weights.downloadJob is true and weights.source is ephemeral",
        {"pool": {"weights": {"source": "ephemeral", "downloadJob": True}}},
        {"pool": {"weights": {"source": "claim"}}},
    ),
    Contradiction(
        "offline is true and weights.downloadJob is true",
        {"offline": True, "pool": {"weights": {"downloadJob": True, "claim": {"existing": "w"}}}},
        {"pool": {"weights": {"downloadJob": False}}},
    ),
    Contradiction(
        "offline is true and weights.claim.existing is empty",
        {"offline": True},
        {"pool": {"weights": {"claim": {"existing": "models"}}}},
    ),
    Contradiction(
        "no way leads to the weights",
        {"networkPolicy": {"internet": False}},
        {"networkPolicy": {"extraEgress": [{"to": PEER}]}},
    ),
    # Pods.
    Contradiction(f"replicas is 2 and {SINGLE}", {"pool": {"replicas": 2}}, SHARED),
    Contradiction(
        f"scaling.maxReplicas is 8 and {SINGLE}",
        SCALED,
        SHARED,
    ),
    Contradiction(
        f"rollout.mode is surge and {SINGLE}", {"pool": {"rollout": {"mode": "surge"}}}, SHARED
    ),
    Contradiction(
        "scaling.minReplicas is 9 and scaling.maxReplicas is 8",
        over(SHARED, {"pool": {"scaling": {"enabled": True, "minReplicas": 9}}}),
        {"pool": {"scaling": {"maxReplicas": 16, "fallbackReplicas": 9}}},
    ),
    Contradiction(
        "scaling.fallbackReplicas is 2, outside of scaling.minReplicas 3",
        over(SHARED, {"pool": {"scaling": {"enabled": True, "minReplicas": 3}}}),
        {"pool": {"scaling": {"fallbackReplicas": 3}}},
    ),
    # Ways in and out.
    Contradiction(
        "route.enabled is true and route.parentRefs names no Gateway",
        {"pool": {"route": {"enabled": True, "hostnames": ["a.example.com"]}}},
        {"pool": {"route": {"parentRefs": PARENTS}}},
    ),
    Contradiction(
        "route.enabled is true and route.hostnames is empty",
        {"pool": {"route": {"enabled": True, "parentRefs": PARENTS}}},
        {"pool": {"route": {"hostnames": ["a.example.com"]}}},
    ),
    Contradiction(
        "ingress.enabled is true and ingress.host is empty",
        {"pool": {"ingress": {"enabled": True}}},
        {"pool": {"ingress": {"host": "a.example.com"}}},
    ),
    Contradiction(
        "tls.existingSecret is set and inferencePool.enabled is true",
        {"tls": {"existingSecret": "pair"}, "pool": {"inferencePool": {"enabled": True}}},
        {"tls": {"existingSecret": ""}},
    ),
    Contradiction(
        "ingress.enabled and inferencePool.enabled are both true",
        {
            "pool": {
                "ingress": {"enabled": True, "host": "a.example.com"},
                "inferencePool": {"enabled": True},
            }
        },
        {"pool": {"ingress": {"enabled": False}}},
    ),
    Contradiction(
        "settings.gateway.otlp_traces_endpoint is http://otel:4318/v1/traces",
        gateway(otlp_traces_endpoint="http://otel:4318/v1/traces"),
        {"networkPolicy": {"telemetry": PEER}},
    ),
    Contradiction(
        "settings.engine.otlp_traces_endpoint is http://otel:4318/v1/traces",
        engine(otlp_traces_endpoint="http://otel:4318/v1/traces"),
        {"networkPolicy": {"enabled": False}},
    ),
]
