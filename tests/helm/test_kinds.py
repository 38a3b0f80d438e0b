"""Every object is what its kind allows: Kubernetes' own in eight versions, and those of others."""

import pytest

from tests.helm import crds, kinds
from tests.helm.releases import CASES, KUBE, changed, release
from tests.helm.rendering import ALL_APIS, CHART, HELMS, KUBES, Json, run_helm

PORT: Json = {"containerPort": 8000, "protocol": "TCP"}
POD: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "b"},
    "spec": {"containers": [{"name": "engine", "image": "a:1", "ports": [PORT]}]},
}
ROUTE: Json = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "a", "namespace": "b"},
    "spec": {
        "parentRefs": [{"name": "public"}],
        "rules": [
            {
                "backendRefs": [{"name": "a", "port": 80}],
                "timeouts": {"request": "900s", "backendRequest": "900s"},
            }
        ],
    },
}
SCALED: Json = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "a", "namespace": "b"},
    "spec": {
        "scaleTargetRef": {"name": "a"},
        "minReplicaCount": 1,
        "triggers": [{"type": "cpu", "metadata": {"value": "1"}}],
    },
}


def is_of_others(thing: Json) -> bool:
    """Tell the kinds that a cluster has only after something was installed."""
    return f"{thing['apiVersion']}/{thing['kind']}" in ALL_APIS


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("case", CASES)
def test_both_helms_find_nothing_to_warn_of(case: str, helm: str) -> None:
    """Linted strictly, a warning is an error."""
    files = [word for file in CASES[case].files for word in ("--values", str(file))]
    done = run_helm(
        helm, "lint", "--strict", str(CHART), "--kube-version", KUBE, *files, "--values", "-",
        values=CASES[case].values,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_both_helms_render_the_same_objects(case: str) -> None:
    """Nothing in the chart hangs on the version of Helm."""
    three, four = (
        {f"{each['kind']}/{each['metadata']['name']}": each for each in release(case, helm).objects}
        for helm in HELMS
    )
    assert three.keys() == four.keys()
    assert [name for name in three if three[name] != four[name]] == []


@pytest.mark.parametrize(
    ("case", "kube"),
    [(name, kube) for name, case in CASES.items() for kube in KUBES if kube >= case.oldest],
)
def test_kubernetes_knows_every_field(case: str, kube: str) -> None:
    """Unknown fields are refused and types hold, in each version from 1.30 to 1.37."""
    for thing in release(case, kube=kube).objects:
        if not is_of_others(thing):
            assert kinds.violations(thing, kube) == [], thing["metadata"]["name"]


@pytest.mark.parametrize("case", CASES)
def test_official_definitions_accept_every_object_of_others(case: str) -> None:
    """KEDA, the Prometheus operator and the Gateway API refuse and drop nothing."""
    for thing in release(case).objects:
        if is_of_others(thing):
            assert crds.violations(thing) == [], thing["metadata"]["name"]


def test_every_kind_of_others_is_rendered() -> None:
    """One release has them all, so that none goes unchecked."""
    rendered = {f"{thing['apiVersion']}/{thing['kind']}" for thing in release("everything").objects}
    used = {
        "keda.sh/v1alpha1/ScaledObject",
        "monitoring.coreos.com/v1/PodMonitor",
        "monitoring.coreos.com/v1/PrometheusRule",
        "gateway.networking.k8s.io/v1/HTTPRoute",
        "inference.networking.k8s.io/v1/InferencePool",
    }
    assert rendered & set(ALL_APIS) == used


@pytest.mark.parametrize("kube", KUBES)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.container", []),
        ("spec.containers.0.ports.0.containerPort", "8000"),
        ("spec.containers.0.ports.0.containerPort", 8000.5),
        ("spec.containers.0.name", None),
        ("spec.containers.0.securityContext", {"readOnlyRootFileSystem": True}),
        ("spec.volumes", [{"name": "a", "emptyDir": {"size": "1Gi"}}]),
    ],
)
def test_a_wrong_field_is_found_in_every_version(kube: str, path: str, value: object) -> None:
    """The check of Kubernetes' kinds finds what a slip of the pen makes of a right object."""
    assert kinds.violations(POD, kube) == []
    assert len(kinds.violations(changed(POD, path, value), kube)) == 1


@pytest.mark.parametrize(
    ("thing", "path", "value"),
    [
        pytest.param(ROUTE, "spec.rule", [], id="unknown field"),
        pytest.param(ROUTE, "spec.rules.0.timeouts.request", "15m30", id="pattern"),
        pytest.param(ROUTE, "spec.rules.0.timeouts.request", "9s", id="rule on durations"),
        pytest.param(ROUTE, "spec.rules.0.backendRefs.0", {"name": "a"}, id="rule on a default"),
        pytest.param(
            ROUTE, "spec.parentRefs", [{"name": "a"}, {"name": "a"}], id="rule on escaped names"
        ),
        pytest.param(SCALED, "spec.maxReplicaCount", 0, id="rule between two fields"),
        pytest.param(SCALED, "spec.triggers.0.metadata.value", 1, id="number for a string"),
        pytest.param(SCALED, "spec.triggers.0.type", None, id="null"),
    ],
)
def test_a_definition_finds_what_an_api_server_refuses(
    thing: Json, path: str, value: object
) -> None:
    """The check of others' kinds knows schema, defaults and rules."""
    assert crds.violations(thing) == []
    assert len(crds.violations(changed(thing, path, value))) == 1
