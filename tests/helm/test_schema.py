"""The schema of the chart's values: up to date, closed, and clear in both Helms."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from deploy.chart.schema import written
from deploy.chart.settings import DECIDED, defaults
from serving.engine import profile
from serving.options import Settings
from tests.helm.rendering import CHART, HELMS, refusal, render

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
POOL = SCHEMA["properties"]["pool"]["properties"]
SETTINGS = POOL["settings"]["properties"]
# Objects of Kubernetes' own, which its API server checks.
OPEN = {
    "global",
    "valueFrom",
    "affinity",
    "tolerations[]",
    "parentRefs[]",
    "clients[]",
    "monitoring[]",
    "dns[]",
    "telemetry[]",
    "store[]",
    "proxy[]",
    "extraEgress[]",
}


def objects(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of an object with the name of its key."""
    if "object" in node.get("type", ()):
        yield name, node
    for key, each in node.get("properties", {}).items():
        yield from objects(each, key)
    if isinstance(node.get("additionalProperties"), dict):
        yield from objects(node["additionalProperties"], f"{name}.*")
    if "items" in node:
        yield from objects(node["items"], f"{name}[]")


def test_the_schema_file_is_what_the_generator_writes() -> None:
    """Values, sentences and options changed without `python -m deploy.chart` do not pass."""
    assert (CHART / "values.schema.json").read_text() == written(VALUES)


def test_the_defaults_that_templates_read_are_the_product_s() -> None:
    """Memory and /dev/shm are derived from what holds where a setting is left out."""
    assert (CHART / "settings-defaults.json").read_text() == defaults()


def test_the_schema_is_draft_7_and_needs_no_reference() -> None:
    """Both Helms read it the same way, and a choice of types is one type with a list."""
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    text = json.dumps(SCHEMA)
    assert not [word for word in ('"$ref"', '"anyOf"', '"allOf"', '"oneOf"') if word in text]


def test_every_object_is_closed_but_those_of_kubernetes() -> None:
    """An unknown key passes nowhere that the chart itself reads."""
    found = list(objects(SCHEMA))
    assert {name for name, each in found if each.get("additionalProperties") is True} == OPEN
    assert len(found) > 90
    assert not [name for name, each in found if "additionalProperties" not in each]


def test_every_leaf_says_what_it_is() -> None:
    """An editor that reads the schema shows a sentence at each key."""
    leaves = [
        f"{name}.{key}"
        for name, each in objects(SCHEMA)
        for key, leaf in each.get("properties", {}).items()
        if "properties" not in leaf and not leaf.get("description") and name[-2:] != "[]"
    ]
    assert leaves == []


@pytest.mark.parametrize("group", ["engine", "gateway", "store", "models"])
def test_settings_are_the_product_s_own_without_what_the_chart_decides(group: str) -> None:
    """A new option is there at once, and one that was renamed cannot stay behind."""
    known = set(getattr(Settings(), group).model_dump())
    assert set(SETTINGS[group]["properties"]) == known - DECIDED[group]
    assert DECIDED[group] <= known


def test_limits_and_choices_of_settings_are_the_product_s() -> None:
    """What `serving` refuses at its start is refused before anything is installed."""
    gateway, engine = SETTINGS["gateway"]["properties"], SETTINGS["engine"]["properties"]
    assert gateway["max_output_tokens"]["maximum"] == 81_920
    assert gateway["max_output_tokens"]["exclusiveMinimum"] == 0
    assert engine["kv_offloading_backend"]["enum"] == ["native", "lmcache"]
    assert engine["max_model_len"]["type"] == ["integer", "string"]
    assert engine["profile"]["enum"] == profile.names()
    assert "auto" not in engine["profile"]["enum"]


def test_a_pool_takes_what_pool_takes_and_needs_none_of_it() -> None:
    """Keys and limits are the same at both places; only `pool` must be whole."""
    own = SCHEMA["properties"]["pools"]["additionalProperties"]

    def without(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: without(each) for key, each in node.items() if key != "required"}
        return node

    assert without(own["properties"]) == without(POOL)
    assert not [name for name, each in objects(own) if "required" in each and name[-2:] != "[]"]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicas": 2}, ["replicas"]),
        ({"pool": {"replica": 2}}, ["pool", "replica"]),
        ({"pool": {"scaling": {"maxReplica": 2}}}, ["pool", "scaling", "maxReplica"]),
        ({"pools": {"a": {"settings": {"engine": {"modle": "x"}}}}}, ["engine", "modle"]),
        ({"pool": {"replicas": "two"}}, ["pool", "replicas", "integer"]),
        ({"pool": {"replicas": 1.5}}, ["pool", "replicas", "integer"]),
        ({"offline": "yes"}, ["offline", "boolean"]),
        ({"pool": {"rollout": {"mode": "recreate"}}}, ["mode", "inPlace", "surge"]),
        ({"pool": {"settings": {"engine": {"profile": "auto"}}}}, ["profile", "h100", "cpu"]),
        ({"pool": {"settings": {"engine": {"profile": "h101"}}}}, ["profile", "h100", "cpu"]),
        ({"pool": {"settings": {"engine": {"revision": "main"}}}}, ["revision", "{40}"]),
        ({"pool": {"settings": {"engine": {"max_model_len": "all"}}}}, ["max_model_len", "auto"]),
        ({"pool": {"settings": {"gateway": {"port": 80}}}}, ["gateway", "port"]),
        ({"pool": {"settings": {"gateway": {"api_keys": ["k"]}}}}, ["gateway", "api_keys"]),
        ({"pool": {"settings": {"store": {"url": "postgresql://u:p@h/d"}}}}, ["store", "url"]),
        ({"pool": {"settings": {"gateway": {"drain_seconds": None}}}}, ["drain_seconds"]),
        ({"pool": {"servicePort": None}}, ["pool", "servicePort"]),
        ({"pool": {"scaling": None}}, ["pool", "scaling"]),
        ({"pools": {"a": {"replicas": None}}}, ["replicas", "integer"]),
        ({"pools": {"Thinking": {}}}, ["Thinking"]),
        ({"pools": {"a-name-of-21-letters-": {}}}, ["a-name-of-21-letters-"]),
        ({"pool": {"startupBudgetSeconds": 59}}, ["startupBudgetSeconds", "60"]),
        ({"image": {"digest": "sha256:abc"}}, ["digest", "{64}"]),
        ({"image": {"repository": "team/serving:1.0"}}, ["image", "repository"]),
        ({"imageRegistry": "https://mirror.example.org"}, ["imageRegistry"]),
        ({"security": {"runAsUser": 0}}, ["runAsUser", "1"]),
        ({"pool": {"scheduling": {"nodeSelector": {"a b": "c"}}}}, ["a b"]),
        ({"pool": {"engine": {"extraEnv": [{"value": "x"}]}}}, ["extraEnv", "name"]),
        ({"monitoring": {"rules": {"disabled": ["NoSuchAlert"]}}}, ["disabled", "EngineHung"]),
        ({"networkPolicy": {"exceptNetworks": ["10.0.0.0"]}}, ["exceptNetworks"]),
        ({"loadtest": {"scenario": "mixd"}}, ["scenario", "mixed"]),
        ({"pool": {"weights": {"claim": {"size": "big"}}}}, ["size", "Gi"]),
    ],
    ids=lambda each: "" if isinstance(each, list) else json.dumps(each),
)
def test_a_refusal_names_the_key(helm: str, values: dict[str, Any], words: list[str]) -> None:
    """Whatever is wrong, the reader learns where, and from a list what there is."""
    said = refusal(values, helm=helm)
    assert not [word for word in words if word not in said], said


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    "values",
    [
        {"global": {"clusterName": "x"}},
        {"pools": {"instruct": None}},
        {"pools": {"thinking": None, "a": {}}},
        {"security": {"runAsUser": None, "fsGroup": None}},
        {"pool": {"settings": {"engine": {"revision": "0123456789abcdef" * 2 + "01234567"}}}},
        {"pool": {"settings": {"engine": {"max_model_len": 4096}}}},
        {"pool": {"settings": {"gateway": {"max_request_seconds": None}}}},
        {"pool": {"engine": {"resources": {"cpu": 4}}, "gateway": {"resources": {"cpu": "0.5"}}}},
        {"loadtest": {"rate": 0.5}},
        {"imageRegistry": "localhost:5000/mirror/"},
    ],
    ids=json.dumps,
)
def test_what_is_meant_passes(helm: str, values: dict[str, Any]) -> None:
    """Closed is not narrow: Helm's own key, null where it has a meaning, numbers by --set."""
    assert render(values, helm=helm).all("Deployment")
