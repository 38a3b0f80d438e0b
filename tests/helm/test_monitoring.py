"""What watches the pools: monitors find both jobs, alerts and dashboards come as they are."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests.helm import promtool
from tests.helm.operator import scrape_configs
from tests.helm.pods import containers_of
from tests.helm.rendering import CHART, Json, Rendered, refusal, render
from tests.prometheus import Start

ALL = {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboards": {"enabled": True}}
POOLS = {"instruct": {"settings": {"engine": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}}}
CRD_BYTES = 1_048_576  # most that a ConfigMap holds


def monitored(**changes: Json) -> Rendered:
    """Return the release with all monitoring, some of it changed."""
    monitoring = {kind: each | changes.get(kind, {}) for kind, each in ALL.items()}
    return render({"monitoring": monitoring, "pools": POOLS})


def running_pod(rendered: Rendered, name: str, port: int) -> Json:
    """Return a Deployment's pod as it runs on this machine, its admin port where a test serves."""
    template = deepcopy(rendered.one("Deployment", name)["spec"]["template"])
    [admin] = [
        port
        for container in containers_of(template["spec"]).values()
        for port in container.get("ports", ())
        if port["name"] == "admin"
    ]
    assert admin["containerPort"] == 9000
    admin["containerPort"] = port
    metadata = template["metadata"] | {"name": f"{name}-0", "namespace": "models"}
    status = {"podIP": "127.0.0.1", "phase": "Running"}
    return {"metadata": metadata, "spec": template["spec"], "status": status}


def test_prometheus_finds_both_jobs_of_a_pool(start_prometheus: Start) -> None:
    """A real Prometheus finds the port on either kind of container, and names jobs as alerts do.

    The release `native` has its gateways as native sidecars, `plain` as ordinary containers.
    """
    registry = CollectorRegistry()
    Gauge("apples", "In the basket", registry=registry).set(7)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    jobs: list[Json] = []
    for release in ("native", "plain"):
        values = {
            "monitoring": {"podMonitor": {"enabled": True, "intervalSeconds": 1}},
            "pool": {"gateway": {"nativeSidecar": release == "native"}},
            "pools": POOLS,
        }
        rendered = render(values, release=release)
        names = [f"{release}-qwen3-vl-{pool}" for pool in ("thinking", "instruct")]
        pods = [running_pod(rendered, name, server.server_port) for name in names]
        jobs += scrape_configs(rendered.one("PodMonitor", names[0]), pods)
    try:
        running = start_prometheus(jobs)
        running.wait(lambda: len(running.query("apples")) == 4)
        found = [each["metric"] for each in running.query("apples")]
        addresses = running.targets()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    at = f"127.0.0.1:{server.server_port}"
    seen = {tuple(each[of] for of in ("namespace", "job", "pod", "instance")) for each in found}
    assert seen == {
        ("models", f"{release}-qwen3-vl-thinking{job}", f"{release}-qwen3-vl-thinking-0", at)
        for release in ("native", "plain")
        for job in ("", "-engine")
    }
    assert set(addresses) == {f"http://{at}/metrics", f"http://{at}/engine/metrics"}


def test_each_pool_has_a_monitor_of_its_own() -> None:
    """It selects the pods of that pool, and of no other."""
    rendered = monitored()
    for pool in ("thinking", "instruct"):
        name = f"demo-qwen3-vl-{pool}"
        selector = rendered.one("PodMonitor", name)["spec"]["selector"]
        assert selector == rendered.one("Deployment", name)["spec"]["selector"]
    labels = [
        deployment["spec"]["template"]["metadata"]["labels"]
        for deployment in rendered.all("Deployment")
    ]
    for monitor in rendered.all("PodMonitor"):
        chosen = monitor["spec"]["selector"]["matchLabels"].items()
        assert len([each for each in labels if chosen <= each.items()]) == 1


@pytest.mark.parametrize(("seconds", "timeout"), [(5, "5s"), (10, "10s"), (60, "10s")])
def test_a_scrape_ends_before_the_next_one(seconds: int, timeout: str) -> None:
    """Prometheus refuses a timeout that is longer than the interval."""
    monitor = monitored(podMonitor={"intervalSeconds": seconds}).all("PodMonitor")[0]
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (f"{seconds}s", timeout)


def rule_groups(rendered: Rendered) -> list[dict[str, Any]]:
    """Return the groups of the release's rules."""
    groups: list[dict[str, Any]] = rendered.one("PrometheusRule")["spec"]["groups"]
    return groups


def alert_groups() -> list[dict[str, Any]]:
    """Return the groups of the chart's alert files."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(promtool.ALERTS.glob("*.yaml"))]
    return [group for file in files for group in file["groups"]]


def test_rules_are_the_alert_files(tmp_path: Path) -> None:
    """Nothing of them is lost or filled in by Helm, and Prometheus' own checker takes them."""
    rendered = monitored()
    assert rule_groups(rendered) == alert_groups()
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps(rendered.one("PrometheusRule")["spec"]))
    done = promtool.check_rules([file])
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_can_be_left_out() -> None:
    """It alone is missing; records stay, and so does every other alert."""
    kept = rule_groups(monitored(rules={"disabled": ["KvCacheFull"]}))
    expected = alert_groups()
    for group in expected:
        group["rules"] = [each for each in group["rules"] if each.get("alert") != "KvCacheFull"]
    assert kept == expected
    assert kept != alert_groups()


def test_a_group_without_rules_goes() -> None:
    """The operator would refuse nothing of it, and nobody would miss it."""
    [group] = [each for each in alert_groups() if each["name"] == "qwen3-vl-kv-cache"]
    names = [each["alert"] for each in group["rules"]]
    kept = rule_groups(monitored(rules={"disabled": names}))
    assert [each["name"] for each in kept] == [
        each["name"] for each in alert_groups() if each["name"] != "qwen3-vl-kv-cache"
    ]


def test_a_misspelt_alert_is_refused() -> None:
    """Who leaves out an alert that does not exist would still hear of the one that was meant."""
    values = {"monitoring": {"rules": {"enabled": True, "disabled": ["EngineHunk"]}}}
    assert "disabled" in refusal(values)


@pytest.mark.parametrize("base", ["https://git.example.org/vl", "https://git.example.org/vl/"])
def test_runbooks_are_below_the_address_that_is_given(base: str) -> None:
    """Whoever is paged opens the page from the alert."""
    rules = [
        each
        for group in rule_groups(monitored(rules={"runbookBaseUrl": base}))
        for each in group["rules"]
        if "alert" in each
    ]
    assert len(rules) == len(promtool.read_alerts())
    for rule in rules:
        expected = f"https://git.example.org/vl/deploy/runbooks/{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == expected


def test_dashboards_are_the_files() -> None:
    """Each comes in a ConfigMap of its own, unchanged and small enough, found by its label."""
    maps = [
        each
        for each in monitored().all("ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    files = {path.name: path.read_text() for path in (CHART / "dashboards").glob("*.json")}
    assert {name: text for each in maps for name, text in each["data"].items()} == files
    assert len(maps) == len(files) == 4
    assert max(len(json.dumps(each)) for each in maps) < CRD_BYTES


@pytest.mark.parametrize(
    ("group", "kind"), [("podMonitor", "PodMonitor"), ("rules", "PrometheusRule")]
)
def test_labels_by_which_the_operator_finds_them(group: str, kind: str) -> None:
    """The user's labels stand beside the chart's own."""
    for each in monitored(**{group: {"labels": {"release": "prometheus"}}}).all(kind):
        labels = each["metadata"]["labels"]
        assert (labels["release"], labels["app.kubernetes.io/instance"]) == ("prometheus", "demo")


@pytest.mark.parametrize(
    ("group", "kind"), [("podMonitor", "PodMonitor"), ("rules", "PrometheusRule")]
)
def test_a_missing_kind_stops_by_name(group: str, kind: str) -> None:
    """Without the operator the chart says what to install."""
    said = refusal({"monitoring": {group: {"enabled": True}}}, apis=())
    assert f"monitoring.coreos.com/v1/{kind}" in said
    assert f"monitoring.{group}.enabled" in said


def test_nothing_of_it_is_there_by_default() -> None:
    """Kinds of others are switched on by who has them."""
    rendered = render()
    assert rendered.all("PodMonitor") == rendered.all("PrometheusRule") == []
    assert not [
        each for each in rendered.all("ConfigMap") if "dashboard" in each["metadata"]["name"]
    ]
