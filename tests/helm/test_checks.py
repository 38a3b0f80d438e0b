"""Contradicting values stop the chart, each by one sentence, and their neighbours render."""

import pytest

from tests.helm.contradictions import CASES, ROUTED, SCALED, SHARED, Contradiction, Json, over
from tests.helm.rendering import ALL_APIS, CI_FILES, HELMS, refusal, render


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.said)
def test_a_contradiction_is_one_sentence_and_its_neighbour_renders(case: Contradiction) -> None:
    """One line says which keys and what next; what it asks for then passes."""
    said = refusal(case.values, kube=case.kube)
    lines = [line for line in said.splitlines() if line and not line.startswith("Use --debug")]
    assert len(lines) == 1, said
    assert case.said in lines[0]
    assert lines[0].endswith(".")
    assert render(over(case.values, case.repair), kube=case.kube).all("Deployment")


@pytest.mark.parametrize("helm", HELMS)
def test_all_contradictions_are_told_at_once(helm: str) -> None:
    """Nobody mends one to meet the next; what all pools share is said once."""
    values = {
        "pools": {"thinking": {"scaling": {"enabled": True}}, "other": {}},
        "pool": {"replicas": 2, "settings": {"gateway": {"max_images": 9}}},
        "image": {"tag": "latest"},
    }
    said = refusal(values, helm=helm)
    assert [line.partition(" is ")[0] for line in said.splitlines() if " is " in line] == [
        "image.tag",
        "pools.other, pools.thinking: settings.gateway.max_images",
        "pools.other: replicas",
        "pools.thinking: scaling.maxReplicas",
    ]


def reserved_names() -> list[str]:
    """Return the variables that the chart gives engine and gateway in any of its scenarios."""
    names = {"SERVING_ENGINE__MODEL", "HOST", "PORT", "ADMIN_PORT", "PROFILE", "MODEL"}
    for path in CI_FILES:
        for deployment in render(None, path).all("Deployment"):
            pod = deployment["spec"]["template"]["spec"]
            for container in (*pod["initContainers"], *pod["containers"]):
                names |= {each["name"] for each in container.get("env", [])}
    return sorted(names)


def test_what_the_chart_sets_nobody_else_sets() -> None:
    """A second value of a variable would win or lose by its place in a list."""
    names = reserved_names()
    assert {"PYTHONPATH", "HF_HOME", "VLLM_CACHE_ROOT", "SERVING_STORE__URL"} <= set(names)
    for container in ("engine", "gateway"):
        said = refusal({"pool": {container: {"extraEnv": [{"name": each} for each in names]}}})
        assert [each for each in names if f"{container}.extraEnv has {each}," not in said] == []


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("key", "values", "api", "install"),
    [
        ("scaling.enabled", over(SHARED, SCALED), "keda.sh/v1alpha1/ScaledObject", "KEDA"),
        ("route.enabled", ROUTED, "gateway.networking.k8s.io/v1/HTTPRoute", "Gateway API"),
        (
            "inferencePool.enabled",
            {"pool": {"inferencePool": {"enabled": True}}},
            "inference.networking.k8s.io/v1/InferencePool",
            "Inference Extension",
        ),
        (
            "monitoring.podMonitor.enabled",
            {"monitoring": {"podMonitor": {"enabled": True}}},
            "monitoring.coreos.com/v1/PodMonitor",
            "Prometheus operator",
        ),
        (
            "monitoring.rules.enabled",
            {"monitoring": {"rules": {"enabled": True}}},
            "monitoring.coreos.com/v1/PrometheusRule",
            "Prometheus operator",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_kind_that_the_cluster_lacks_stops_by_name(
    helm: str, key: str, values: Json, api: str, install: str
) -> None:
    """Switched on without its extension, a value says which kind is missing and what brings it."""
    said = refusal(values, helm=helm, apis=[each for each in ALL_APIS if each != api])
    assert f"{key} is true and this cluster has no {api}." in said
    assert install in said
    kind = api.rpartition("/")[2]
    assert render(values, helm=helm, apis=[api, *ALL_APIS]).all(kind)
