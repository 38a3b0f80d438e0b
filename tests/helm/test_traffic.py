"""The ways to a pool: Gateway API, InferencePool with its picker, and Ingress."""

import json
import math
import re
from typing import Any

import pytest
import yaml

from serving.gateway.routes import ROUTES
from serving.options import Settings
from tests.contracts import metric_list
from tests.helm.pods import containers_of, pod_of
from tests.helm.rendering import Json, Rendered, notes, render

NAME = "demo-qwen3-vl-thinking"
NGINX = "nginx.ingress.kubernetes.io/"
ROUTE = {
    "enabled": True,
    "parentRefs": [{"name": "public", "namespace": "gateways"}],
    "hostnames": ["thinking.example.org"],
}
POOL = {"enabled": True}
INGRESS = {"enabled": True, "host": "thinking.example.org"}
# What the picker's core-metrics-extractor reads of vLLM, by the scorer that needs it.
PICKER_READS = {
    "queue-scorer": "vllm:num_requests_waiting",
    "running-requests-size-scorer": "vllm:num_requests_running",
    "kv-cache-utilization-scorer": "vllm:kv_cache_usage_perc",
    "prefix-cache-scorer": "vllm:cache_config_info",
}


def pool(**changes: Any) -> Rendered:
    """Return a release whose pools have these values."""
    return render({"pool": changes})


def longest_request(**gateway: float) -> int:
    """Return how long a request may last that nothing has gone wrong with, and 15 seconds."""
    options = Settings().gateway.model_copy(update=gateway)
    answer = max(math.ceil(options.drain_seconds), math.ceil(options.max_output_tokens / 20))
    parts = options.max_queue_seconds + options.media_timeout_seconds + answer
    return math.ceil(options.max_request_seconds or parts) + 15


GATEWAYS: list[dict[str, float]] = [
    {},
    {"drain_seconds": 2047.5, "max_queue_seconds": 12.25},
    {"media_timeout_seconds": 60},
    {"max_output_tokens": 81_920, "drain_seconds": 300},
    {"max_request_seconds": 90.5},
]


@pytest.mark.parametrize("gateway", GATEWAYS, ids=json.dumps)
def test_route_waits_for_the_longest_thought(gateway: dict[str, float]) -> None:
    """Its timeouts are a whole request's, longer than the gateway's own, and never switched off."""
    [rule] = pool(route=ROUTE, settings={"gateway": gateway}).one("HTTPRoute")["spec"]["rules"]
    seconds = f"{longest_request(**gateway)}s"
    assert rule["timeouts"] == {"request": seconds, "backendRequest": seconds}


def test_route_without_timeouts_is_one_that_every_gateway_takes() -> None:
    """GKE's refuses a route that has them."""
    [rule] = pool(route=ROUTE | {"timeouts": False}).one("HTTPRoute")["spec"]["rules"]
    assert set(rule) == {"matches", "backendRefs"}


def test_longest_request_of_the_defaults() -> None:
    """30 s in the queue, 10 s for a picture, 32,768 tokens of 50 ms, and 15 s."""
    assert longest_request() == 30 + 10 + 1639 + 15


def test_route_leads_to_the_service() -> None:
    """One rule takes every path to the pool's Service, through no filter and with no stickiness."""
    rendered = pool(route=ROUTE, servicePort=8080)
    spec = rendered.one("HTTPRoute")["spec"]
    assert spec["parentRefs"] == ROUTE["parentRefs"]
    assert spec["hostnames"] == ROUTE["hostnames"]
    [rule] = spec["rules"]
    assert set(rule) == {"matches", "timeouts", "backendRefs"}
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    [port] = rendered.one("Service", NAME)["spec"]["ports"]
    assert rule["backendRefs"] == [{"name": NAME, "port": 8080}]
    assert port["port"] == 8080


def test_route_leads_to_the_inference_pool_where_there_is_one() -> None:
    """Then the picker chooses the pod, and the Service's balancing is not used."""
    rendered = pool(route=ROUTE, inferencePool=POOL)
    [rule] = rendered.one("HTTPRoute")["spec"]["rules"]
    target = rendered.one("InferencePool")
    assert rule["backendRefs"] == [
        {
            "group": target["apiVersion"].partition("/")[0],
            "kind": target["kind"],
            "name": target["metadata"]["name"],
        }
    ]


def test_inference_pool_is_the_deployments_pods() -> None:
    """It selects as the Deployment does, and its port is the gateway's."""
    rendered = pool(inferencePool={"enabled": True, "failureMode": "FailClose"})
    spec = rendered.one("InferencePool")["spec"]
    deployment = rendered.one("Deployment", NAME)["spec"]
    assert spec["selector"] == deployment["selector"]
    assert spec["targetPorts"] == [{"number": port_of(rendered, "http")}]
    assert spec["endpointPickerRef"] == {
        "name": f"{NAME}-epp", "port": {"number": 9002}, "failureMode": "FailClose",
    }  # fmt: skip


def port_of(rendered: Rendered, name: str) -> int:
    """Return a port of the gateway's container."""
    ports = containers_of(pod_of(rendered))["gateway"]["ports"]
    return int({each["name"]: each["containerPort"] for each in ports}[name])


def picker_of(rendered: Rendered, name: str = NAME) -> tuple[Json, Json]:
    """Return a pool's picker's configuration, and the values of its chart."""
    data = rendered.one("ConfigMap", f"{name}-picker")["data"]
    return yaml.safe_load(data["config.yaml"]), yaml.safe_load(data["values.yaml"])


def test_picker_reads_the_engines_metrics() -> None:
    """At the gateway's admin port, where the PodMonitor finds vLLM's metrics as well."""
    monitored = {"monitoring": {"podMonitor": {"enabled": True}}}
    rendered = render({"pool": {"inferencePool": POOL}, **monitored})
    plugins = {each["type"]: each.get("parameters") for each in picker_of(rendered)[0]["plugins"]}
    source = plugins["metrics-data-source"]
    endpoints = rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    [engine] = [
        each for each in endpoints if each["relabelings"][0]["replacement"] == f"{NAME}-engine"
    ]
    assert source["path"] == engine["path"] == "/engine/metrics"
    assert source["port"] == port_of(rendered, engine["port"]) == 9000
    assert source["interval"] == "1s"


def test_picker_scores_by_what_vllm_exports() -> None:
    """Each scorer is told of, and reads a metric that the pinned vLLM has."""
    config, _ = picker_of(pool(inferencePool=POOL))
    declared = {each["type"] for each in config["plugins"]}
    [profile] = config["schedulingProfiles"]
    scorers = {each["pluginRef"]: each["weight"] for each in profile["plugins"]}
    assert set(scorers) == set(PICKER_READS)
    assert all(weight > 0 for weight in scorers.values())
    parsers = [each["pluginRef"] for each in config["requestHandler"]["parsers"]]
    assert declared == {*scorers, *parsers, "metrics-data-source", "core-metrics-extractor"}
    exported = {metric.name for metric in metric_list.read(metric_list.VLLM_LIST)}
    assert set(PICKER_READS.values()) <= exported


def test_picker_understands_the_paths_that_generate() -> None:
    """OpenAI's and Anthropic's paths are parsed by their ends; the rest goes through unread."""
    config, _ = picker_of(pool(inferencePool=POOL))
    parsers = [each["pluginRef"] for each in config["requestHandler"]["parsers"]]
    assert parsers[-1] == "passthrough-parser"  # it takes whatever the others leave
    ends = {
        "openai-parser": ("/chat/completions", "/completions", "/responses"),
        "anthropic-parser": ("/messages",),
    }
    known = {end for parser in parsers for end in ends.get(parser, ())}
    assert {path for path, route in ROUTES.items() if route.generates} == known


def test_pickers_chart_gets_the_same_configuration() -> None:
    """Its values hold the configuration, find the pods by their labels and make no second pool."""
    rendered = pool(inferencePool=POOL)
    config, values = picker_of(rendered)
    router = values["router"]
    assert router["inferencePool"] == {"create": False}
    servers, target = router["modelServers"], rendered.one("InferencePool")["spec"]
    assert servers["matchLabels"] == target["selector"]["matchLabels"]
    assert servers["targetPorts"] == target["targetPorts"]
    file = router["epp"]["pluginsConfigFile"]
    assert yaml.safe_load(router["epp"]["pluginsCustomConfig"][file]) == config
    assert router["epp"]["resources"]["requests"].keys() == {"cpu", "memory"}


def test_notes_install_the_picker_that_the_pool_refers_to() -> None:
    """Release and version are those that the pool and the values name; without a pool nothing."""
    values = {"pool": {"inferencePool": POOL}}
    rendered, said = render(values), notes(values)
    command = re.search(
        r"get configmap (\S+) .*\n.* upgrade --install (\S+) (\S+) --version (\S+) ", said
    )
    assert command, said
    configmap, release, chart, version = command.groups()
    assert configmap == rendered.one("ConfigMap", f"{NAME}-picker")["metadata"]["name"]
    service = rendered.one("InferencePool")["spec"]["endpointPickerRef"]["name"]
    assert service == f"{release}-epp"
    assert chart == "PICKER_CHART"
    assert version == picker_of(rendered)[1]["router"]["epp"]["image"]["tag"]
    assert "PICKER_CHART" not in notes()


def test_pickers_of_long_names_are_told_apart() -> None:
    """The picker's chart cuts its release's name to 40 characters; two pools still have two."""
    long = "a-deployment-with-a-name-of-40-letters-x"
    pools: Json = {"thinking": {}, "instruct": {}}
    rendered = render({"fullnameOverride": long, "pools": pools, "pool": {"inferencePool": POOL}})
    services = [each["spec"]["endpointPickerRef"]["name"] for each in rendered.all("InferencePool")]
    assert len(set(services)) == 2
    for service in services:
        assert len(service.removesuffix("-epp")) <= 40
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", service)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=json.dumps)
def test_ingress_lets_streams_and_pictures_through(gateway: dict[str, float]) -> None:
    """No buffers, the gateway's body limit, and a silence as long as an answer without stream."""
    rendered = pool(ingress=INGRESS, settings={"gateway": gateway})
    annotations = rendered.one("Ingress")["metadata"]["annotations"]
    seconds = str(longest_request(**gateway))
    assert annotations == {
        f"{NGINX}backend-protocol": "HTTP",
        f"{NGINX}proxy-buffering": "off",
        f"{NGINX}proxy-request-buffering": "off",
        f"{NGINX}proxy-body-size": "64m",
        f"{NGINX}proxy-read-timeout": seconds,
        f"{NGINX}proxy-send-timeout": seconds,
    }


@pytest.mark.parametrize(("size", "limit"), [(1, "1m"), (104_857_601, "101m")])
def test_ingress_takes_no_smaller_bodies_than_the_gateway(size: int, limit: str) -> None:
    """The limit is the gateway's, rounded up to nginx' mebibytes."""
    rendered = pool(ingress=INGRESS, settings={"gateway": {"max_body_bytes": size}})
    annotations = rendered.one("Ingress")["metadata"]["annotations"]
    assert annotations[f"{NGINX}proxy-body-size"] == limit


def test_annotations_of_the_user_win() -> None:
    """Another controller's annotations are added, and one of the same name is replaced."""
    own = {f"{NGINX}proxy-body-size": "1g", "haproxy.org/timeout-server": "900s"}
    annotations = pool(ingress=INGRESS | {"annotations": own}).one("Ingress")["metadata"][
        "annotations"
    ]
    assert annotations.items() >= own.items()
    assert annotations[f"{NGINX}proxy-buffering"] == "off"


def test_ingress_leads_to_the_service() -> None:
    """Its host and certificate are the values', and its port is the Service's by name."""
    rendered = pool(ingress=INGRESS | {"tlsSecret": "certificate"})
    spec = rendered.one("Ingress")["spec"]
    [port] = rendered.one("Service", NAME)["spec"]["ports"]
    [rule] = spec["rules"]
    [path] = rule["http"]["paths"]
    assert spec["ingressClassName"] == "nginx"
    assert rule["host"] == INGRESS["host"]
    assert spec["tls"] == [{"hosts": [INGRESS["host"]], "secretName": "certificate"}]
    assert path["backend"] == {"service": {"name": NAME, "port": {"name": port["name"]}}}


def test_ingress_speaks_tls_to_pods_that_do() -> None:
    """With a certificate on the pods plain HTTP would be refused."""
    rendered = render({"pool": {"ingress": INGRESS}, "tls": {"existingSecret": "pods"}})
    annotations = rendered.one("Ingress")["metadata"]["annotations"]
    assert annotations[f"{NGINX}backend-protocol"] == "HTTPS"


def test_ingress_without_a_class_or_certificate() -> None:
    """Empty values leave it to the cluster's default class, and to plain HTTP."""
    spec = pool(ingress=INGRESS | {"className": ""}).one("Ingress")["spec"]
    assert set(spec) == {"rules"}


@pytest.mark.parametrize("kind", ["HTTPRoute", "InferencePool", "Ingress"])
def test_nothing_is_made_unless_asked_for(kind: str) -> None:
    """By default a pool has its Service alone."""
    rendered = render()
    assert rendered.all(kind) == []
    assert [
        each for each in rendered.all("ConfigMap") if "picker" in each["metadata"]["name"]
    ] == []
