"""The pod by which `helm test` asks a pool the questions of `serving verify`."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.__main__ import app
from serving.verify.contact import base_url, read_networks
from tests.helm.command_line import parameters
from tests.helm.pods import containers_of, environment_of, mounts_of
from tests.helm.rendering import Json, render

POOLS = {"instruct": {"settings": {"engine": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}}}


def hook(name: str = "thinking", /, **values: Any) -> Json:
    """Return the pod that asks a pool."""
    return render(values).one("Pod", f"demo-qwen3-vl-{name}-verify")


def asked(pod: Json) -> dict[str, Any]:
    """Return what `serving verify` is called with."""
    python, *words = pod["spec"]["containers"][0]["command"]
    assert [python, *words[:2]] == ["python", "-m", "serving"]
    return parameters(app, words[2:])


def test_each_pool_is_asked_at_its_service() -> None:
    """The address is the Service's name and port, and the answer decides alone."""
    rendered = render({"pools": POOLS, "pool": {"servicePort": 8080}})
    for pool in ("thinking", "instruct"):
        service = rendered.one("Service", f"demo-qwen3-vl-{pool}")
        pod = rendered.one("Pod", f"demo-qwen3-vl-{pool}-verify")
        url = urlsplit(base_url(asked(pod)["url"]))
        assert url.scheme == "http"
        assert url.hostname == f"{service['metadata']['name']}.models.svc"
        assert [url.port] == [each["port"] for each in service["spec"]["ports"]] == [8080]
        assert pod["spec"]["restartPolicy"] == "Never"


def test_helm_runs_it_for_a_test_alone() -> None:
    """It is no part of an installation, and its log stays until the next test."""
    annotations = hook()["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"


@pytest.mark.parametrize(
    ("values", "secret", "entry"),
    [
        ({}, "demo-qwen3-vl-client-key", "key"),
        ({"clientKey": {"existingSecret": "ours", "key": "ci"}}, "ours", "ci"),
    ],
)
def test_the_key_comes_from_its_secret(values: Json, secret: str, entry: str) -> None:
    """The file that the command reads is the Secret's entry, readable by the pod's group alone."""
    pod = hook(**values)
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "client-key"]
    [item] = volume["secret"]["items"]
    assert (volume["secret"]["secretName"], item["key"]) == (secret, entry)
    assert volume["secret"]["defaultMode"] == 0o440
    file = asked(pod)["key_file"]
    assert file.name == item["path"]
    mount = mounts_of(containers_of(pod["spec"])["verify"])[str(file.parent)]
    assert (mount["name"], mount["readOnly"]) == ("client-key", True)


def test_private_networks_are_no_fault() -> None:
    """What a deployment opens to pictures on purpose is told, or the check of it would fail."""
    opened = ["10.9.0.0/16", "fd12::/16"]
    pod = hook(pool={"settings": {"gateway": {"media_private_networks": opened}}})
    assert asked(pod)["private_network"] == opened
    assert [str(each) for each in read_networks(opened)] == opened


def test_under_tls_the_servers_certificate_is_trusted_alone() -> None:
    """It is mounted without its key, and Python is told to trust nothing else."""
    pod = hook(tls={"existingSecret": "certificate"})
    container = pod["spec"]["containers"][0]
    assert asked(pod)["url"].startswith("https://")
    trusted = PurePosixPath(environment_of(container)["SSL_CERT_FILE"])
    mount = mounts_of(container)[str(trusted.parent)]
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == mount["name"]]
    assert volume["secret"]["items"] == [{"key": "tls.crt", "path": trusted.name}]


def test_whatever_is_written_goes_to_memory_that_ends() -> None:
    """Home and /tmp are the one folder that can be written."""
    pod = hook()
    container = pod["spec"]["containers"][0]
    writable = [path for path, each in mounts_of(container).items() if not each.get("readOnly")]
    assert writable == [environment_of(container)["HOME"]] == ["/tmp"]  # noqa: S108 - the pod's own
    assert container["securityContext"]["readOnlyRootFilesystem"]


def test_the_hook_can_be_left_out() -> None:
    """Nothing of it is left, its policy included."""
    rendered = render({"verify": {"enabled": False}})
    assert rendered.all("Pod") == []
    assert "demo-qwen3-vl-verify" not in [
        each["metadata"]["name"] for each in rendered.all("NetworkPolicy")
    ]
