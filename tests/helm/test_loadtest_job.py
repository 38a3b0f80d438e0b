"""The Job that loads a pool, and the line by which a run from outside asks for it."""

import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from loadtests.__main__ import app
from loadtests.endpoint import parse_url
from loadtests.options import Options
from loadtests.scenarios import find_scenario
from loadtests.verdict import in_cluster
from tests.helm.command_line import parameters
from tests.helm.network import Pod, may_receive, may_send
from tests.helm.pods import mounts_of
from tests.helm.rendering import CHART, Json, Rendered, parse, render, run_helm

POOLS = {"instruct": {"settings": {"engine": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}}}
ASKED: list[dict[str, Any]] = [
    {},
    {"scenario": "long-thinking"},
    {"scenario": "video", "rate": "2,4", "duration": 120.0},
    {"rate": "2", "duration": 90.0},
    {"rate": "0.5"},
    {"rate": "1:10", "duration": 300.0},
    {"users": "8"},
    {"users": "1,2,4", "duration": 60.0},
    {"scenario": "picture/720p JPEG cold", "users": "2"},
]


def loaded(pools: Json | None = None, **values: Any) -> Rendered:
    """Return a release that loads a pool, by values of `loadtest`."""
    return render({"loadtest": {"enabled": True} | values, "pools": pools or {}})


def options_of(job: Json) -> Options:
    """Return what the load test is asked, read by its own command line."""
    python, *words = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert [python, *words[:2]] == ["python", "-m", "loadtests"]
    return Options(**parameters(app, words[2:]))


@pytest.mark.parametrize("helm", ["3", "4"])
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_printed_line_makes_the_same_load(asked: dict[str, Any], helm: str) -> None:
    """An untrusted run prints a `helm upgrade`, whose values load as that run did."""
    outside = Options(url="https://models.example.org", out=Path("out"), **asked)
    line = shlex.split(in_cluster(outside))
    assert line[:5] == ["helm", "upgrade", "RELEASE", "helm/qwen3-vl", "--reuse-values"]
    done = run_helm(helm, "template", "demo", str(CHART), "--namespace", "models", *line[5:])
    assert done.returncode == 0, done.stderr
    inside = options_of(Rendered(parse(done.stdout)).one("Job", name_of(done.stdout)))
    inside.check()
    usual = find_scenario(outside.scenario).shape
    assert inside.scenario == outside.scenario
    assert inside.shape(usual) == outside.shape(usual)


def name_of(text: str) -> str:
    """Return the name of the only load test among objects."""
    names = [each["metadata"]["name"] for each in parse(text) if each["kind"] == "Job"]
    [name] = [each for each in names if "-loadtest-" in each]
    return str(name)


def job_of(rendered: Rendered) -> Json:
    """Return the only load test of a release."""
    [job] = [each for each in rendered.all("Job") if "-loadtest-" in each["metadata"]["name"]]
    return job


def test_nothing_is_loaded_by_default() -> None:
    """Neither a Job nor the name that it would need."""
    rendered = render()
    assert not [each for each in rendered.objects if "-loadtest" in each["metadata"]["name"]]
    assert [each["metadata"]["name"] for each in rendered.all("Service")] == [
        "demo-qwen3-vl-thinking"
    ]


@pytest.mark.parametrize(("pool", "name"), [("", "instruct"), ("thinking", "thinking")])
def test_the_pool_that_is_loaded(pool: str, name: str) -> None:
    """By default the first by name; through its Service, with pages of its only pod."""
    rendered = loaded(POOLS, pool=pool)
    options = options_of(job_of(rendered))
    url = urlsplit(options.url)
    service = rendered.one("Service", f"demo-qwen3-vl-{name}")
    assert (url.hostname, url.port) == (f"demo-qwen3-vl-{name}.models.svc", 80)
    assert service["spec"]["ports"][0]["port"] == 80
    admin = rendered.one("Service", f"demo-qwen3-vl-{name}-admin")
    assert admin["spec"]["selector"] == service["spec"]["selector"]
    assert admin["spec"]["clusterIP"] == "None"
    pages = options.metrics_urls(parse_url(options.url, None))
    host = f"http://demo-qwen3-vl-{name}-admin.models.svc:9000"
    assert pages == (f"{host}/metrics", f"{host}/engine/metrics")


@pytest.mark.parametrize("pool", [{"replicas": 2}, {"scaling": {"enabled": True}}], ids=str)
def test_of_several_pods_no_pages_are_watched(pool: Json) -> None:
    """One name would lead to another pod each second."""
    claim = {"accessMode": "ReadWriteMany"}
    values = {"loadtest": {"enabled": True}, "pool": pool | {"weights": {"claim": claim}}}
    rendered = render(values)
    options = options_of(job_of(rendered))
    assert options.metrics_urls(parse_url(options.url, None)) == ()
    assert not [each for each in rendered.all("Service") if "-admin" in each["metadata"]["name"]]


def test_policies_let_it_through() -> None:
    """The Job reaches the pool's API and metrics, both ways."""
    rendered = loaded()
    policies = rendered.all("NetworkPolicy")
    job = Pod(job_of(rendered)["spec"]["template"]["metadata"]["labels"])
    template = rendered.one("Deployment")["spec"]["template"]
    pool = Pod(template["metadata"]["labels"])
    for port in (8000, 9000):
        assert may_send(policies, job, pool, port)
        assert may_receive(policies, pool, job, port)


@pytest.mark.parametrize(
    "changed", [{"rate": 3}, {"scenario": "video"}, {"workers": 3}, {"resultsClaim": "reports"}]
)
def test_a_changed_value_makes_the_next_run(changed: Json) -> None:
    """A Job cannot be changed: what differs has another name, and what is the same keeps it."""
    names = [job_of(loaded(**values))["metadata"]["name"] for values in ({}, {}, changed)]
    assert names[0] == names[1] != names[2]


def test_what_cannot_be_changed_is_in_the_name() -> None:
    """Labels that every object gets are in the pod as well."""
    labelled = {"loadtest": {"enabled": True}, "commonLabels": {"team": "vision"}}
    other = job_of(render(labelled))
    assert other["spec"]["template"] != job_of(loaded())["spec"]["template"]
    assert other["metadata"]["name"] != job_of(loaded())["metadata"]["name"]


def test_it_runs_once_and_its_end_is_the_verdict() -> None:
    """No second try hides a missed objective, and the log stays until the Job is replaced."""
    job = job_of(loaded())
    assert job["spec"]["backoffLimit"] == 0
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("workers", "cpu", "memory"), [(0, "1", "512Mi"), (2, "3", "1024Mi")])
def test_each_process_has_a_core(workers: int, cpu: str, memory: str) -> None:
    """One gathers, the others load; a limit of CPU would make waits of its own."""
    container = job_of(loaded(workers=workers))["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"]["cpu"] == cpu
    assert container["resources"]["requests"]["memory"] == memory
    assert container["resources"]["limits"] == {"memory": memory, "ephemeral-storage": "2Gi"}
    assert container["image"] == "qwen3-vl-serving:0.1.0-loadtest"


def test_limits_are_the_values() -> None:
    """Within a cluster a run would else end at those for endpoints that cost somebody something."""
    options = options_of(job_of(loaded(maxRequests=500, maxUsd=2.5)))
    allowance = options.allowance(parse_url(options.url, None), None)
    assert (allowance.max_requests, allowance.max_usd) == (500, 2.5)
    usual = options_of(job_of(loaded()))
    assert (usual.max_requests, usual.max_usd) == (100_000, 100.0)


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("", {"emptyDir": {"sizeLimit": "1Gi"}}),
        ("reports", {"persistentVolumeClaim": {"claimName": "reports"}}),
    ],
)
def test_where_reports_go(claim: str, source: Json) -> None:
    """To the folder that the command names, on a volume that ends with the pod or stays."""
    job = job_of(loaded(resultsClaim=claim))
    pod = job["spec"]["template"]["spec"]
    out = str(options_of(job).out)
    mount = mounts_of(pod["containers"][0])[out]
    assert not mount.get("readOnly")
    [volume] = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume == {"name": mount["name"], **source}
