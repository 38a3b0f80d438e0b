"""Every pod of the chart is held to the restricted Pod Security level, and to more than that."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helm.pod_security import violations
from tests.helm.pods import containers_of, environment_of
from tests.helm.rendering import CI_FILES, Json, Rendered, render

EVERYTHING: dict[str, Any] = {
    "loadtest": {"enabled": True, "resultsClaim": "reports"},
    "store": {"existingSecret": "database"},
    "networkPolicy": {"store": [{"podSelector": {"matchLabels": {"app": "postgres"}}}]},
    "keys": {"existingSecret": "keys"},
    "tls": {"existingSecret": "certificate"},
    "huggingFace": {"tokenSecret": "token"},
    "pools": {"instruct": {"gateway": {"nativeSidecar": False}}},
}
CASES = {"defaults": None, "everything": None} | {file.stem: file for file in CI_FILES}
SECRET_NAMES = re.compile(r"password|token|secret|key$|url$", re.IGNORECASE)


class Case(NamedTuple):
    """A release, and its pods by the names of their objects."""

    rendered: Rendered
    pods: dict[str, Json]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """A release: the defaults, all that can be switched on, and each file of ci/."""
    file: Path | None = CASES[request.param]
    values = EVERYTHING if request.param == "everything" else {}
    rendered = render(values, *([file] if file else []))
    return Case(rendered, dict(pods_of(rendered)))


def pods_of(rendered: Rendered) -> Iterator[tuple[str, Json]]:
    """Yield each PodSpec of a release, hooks included."""
    for each in rendered.objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each["spec"]
        elif "template" in each.get("spec", {}):
            yield name, each["spec"]["template"]["spec"]


def test_pods_are_restricted(case: Case) -> None:
    """The API server lets them into a namespace of the strictest level."""
    assert {name: found for name, pod in case.pods.items() if (found := [*violations(pod)])} == {}
    assert {name.partition("/")[0] for name in case.pods} >= {"Deployment", "Pod"}


def test_no_pod_speaks_to_the_api_server(case: Case) -> None:
    """No token of a service account is mounted, and no address of another Service told."""
    for name, pod in case.pods.items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        projected = [each["projected"] for each in pod["volumes"] if "projected" in each]
        assert not [
            one for each in projected for one in each["sources"] if "serviceAccountToken" in one
        ]
        account = case.rendered.one("ServiceAccount", pod["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False


def test_nobody_but_the_engine_writes_beside_volumes(case: Case) -> None:
    """Root file systems are read-only; the engine's by value, as NVIDIA's hook writes into it."""
    for name, pod in case.pods.items():
        for container, each in containers_of(pod).items():
            read_only = each["securityContext"]["readOnlyRootFilesystem"]
            assert read_only or container == "engine", f"{name} {container}"


def test_the_engines_root_can_be_read_only() -> None:
    """Where no hook writes into the container."""
    values = {"pool": {"engine": {"readOnlyRootFilesystem": True}}}
    [pod] = [pod for name, pod in pods_of(render(values)) if name.startswith("Deployment")]
    assert containers_of(pod)["engine"]["securityContext"]["readOnlyRootFilesystem"]


def test_ports_need_no_privilege(case: Case) -> None:
    """All are above 1023, which a user without capabilities may open."""
    ports = [
        port["containerPort"]
        for pod in case.pods.values()
        for container in containers_of(pod).values()
        for port in container.get("ports", ())
    ]
    assert ports
    assert min(ports) >= 1024


def test_secrets_come_by_reference(case: Case) -> None:
    """The chart makes no Secret, and no variable or file holds the text of one."""
    assert case.rendered.all("Secret") == []
    for pod in case.pods.values():
        for container in containers_of(pod).values():
            for variable, value in environment_of({"env": container.get("env", [])}).items():
                if SECRET_NAMES.search(variable):
                    assert "secretKeyRef" in value, variable


def test_files_of_secrets_are_for_the_pods_group(case: Case) -> None:
    """The gateway refuses files of keys that others may read, and so should everybody."""
    for name, pod in case.pods.items():
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, f"{name} {volume['name']}"


def test_settings_hold_no_secret() -> None:
    """URLs and keys that are given as Secrets are in no ConfigMap."""
    rendered = render(EVERYTHING)
    text = json.dumps(rendered.all("ConfigMap"))
    assert not re.search(r"postgresql|api_keys|\"url\":", text)


@pytest.mark.parametrize("cluster_decides", [True, False])
def test_who_the_processes_are(cluster_decides: bool) -> None:
    """One user for all containers, which share sockets and files; OpenShift chooses its own."""
    security = {"runAsUser": None, "fsGroup": None} if cluster_decides else {}
    weights = {"downloadJob": True}
    pods = dict(pods_of(render({"security": security, "pool": {"weights": weights}})))
    assert len(pods) >= 3
    for pod in pods.values():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        users = [context.get(field) for field in ("runAsUser", "runAsGroup", "fsGroup")]
        assert users == ([None] * 3 if cluster_decides else [10001] * 3)
        assert [*violations(pod)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("hostNetwork",), True),
        (("hostPID",), True),
        (("securityContext", "runAsNonRoot"), False),
        (("securityContext", "runAsUser"), 0),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        (("securityContext", "seLinuxOptions"), {"user": "root"}),
        (("securityContext", "windowsOptions"), {"hostProcess": True}),
        (("volumes",), [{"name": "root", "hostPath": {"path": "/"}}]),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("containers", 0, "securityContext", "capabilities"), {}),
        (("containers", 0, "securityContext", "capabilities", "add"), ["SYS_NICE"]),
        (("containers", 0, "securityContext", "privileged"), True),
        (("containers", 0, "securityContext", "runAsUser"), 0),
        (("containers", 0, "securityContext", "procMount"), "Unmasked"),
        (("containers", 0, "securityContext", "appArmorProfile"), {"type": "Unconfined"}),
        (("containers", 0, "ports"), [{"containerPort": 8000, "hostPort": 8000}]),
        (("containers", 0, "livenessProbe"), {"httpGet": {"host": "10.0.0.1"}}),
    ],
    ids=str,
)
def test_a_weakness_is_noticed(path: tuple[str | int, ...], value: object) -> None:
    """Each rule of the level refuses a pod that breaks it alone."""
    pod = deepcopy(next(pod for _, pod in pods_of(render())))
    assert [*violations(pod)] == []
    place: Any = pod
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len([*violations(pod)]) >= 1
