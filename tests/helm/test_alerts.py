"""The alerts: each fires when it should and not beside it, and says what a person can act on."""

import re
from functools import cache
from typing import NamedTuple

import pytest

from serving.gateway.record import OUTCOMES
from serving.gateway.routes import ROUTES
from tests import promql
from tests.contracts import metric_list
from tests.contracts.metric_list import Metric
from tests.helm import promtool
from tests.helm.alert_cases import CASES
from tests.helm.mutants import write_mutants

ALERTS = promtool.read_alerts()
NAMES = [alert.name for alert in ALERTS]
RULES = [rule for rules in promtool.read_rules().values() for rule in rules]
EXPRESSIONS = {rule.get("alert", rule.get("record")): rule["expr"] for rule in RULES}

MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
# Of the labels that an alert has, its summary says the first.
NAMED_FIRST = ("key", "pod", "instance", "job")


class Judged(NamedTuple):
    """The mutants' names by their alerts', what is said of whoever fires wrongly, and all words."""

    mutants: dict[str, list[str]]
    wrong: dict[str, str]
    told: list[promtool.Told]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """All alerts and their mutants, run on all cases."""
    folder = tmp_path_factory.mktemp("mutants")
    names = write_mutants(folder)
    return Judged(names, *promtool.judge(CASES, folder, folder))


def test_rule_files_are_valid() -> None:
    """Prometheus' own checker takes every file."""
    done = promtool.check_rules(sorted(promtool.ALERTS.glob("*.yaml")))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_fires_and_not_beside_its_threshold(name: str, judged: Judged) -> None:
    """It fires for its own pod or pool alone, in a cluster and outside, at one minute exactly."""
    assert name not in judged.wrong, judged.wrong[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_moved_threshold_is_noticed(name: str, judged: Judged) -> None:
    """Each comparison, moved by half to either side, and twice or no patience fail a case."""
    assert [each for each in judged.mutants[name] if each not in judged.wrong] == []


def test_every_alert_has_its_case() -> None:
    """An alert that no case fires was never seen to."""
    assert {case.alert for case in CASES} == set(NAMES)
    assert len(NAMES) == len(set(NAMES))
    assert [case.alert for case in CASES if not case.quiet and case.of != "nothing"] == []


def test_every_alert_says_where_and_how_much(judged: Judged) -> None:
    """Summary and description name the pod, or the pool, and the value."""
    for case in CASES:
        where = [promtool.target_labels(case, target) for target in promtool.TARGETS]
        for labels in where:
            said = [
                each.annotations
                for each in judged.told
                if each.labels["alertname"] == case.alert
                and labels.items() <= each.labels.items()
                and case.says in each.annotations["description"]
            ]
            assert said, f"{case.alert}: {case.says!r} of {labels} is not said"
            name = next((labels[of] for of in NAMED_FIRST if of in labels), "")
            assert all(name in each["summary"] for each in said), said


def test_no_template_is_left_unfilled(judged: Judged) -> None:
    """A misspelt label or a failing function shows in what people read."""
    texts = [text for each in judged.told for text in each.annotations.values()]
    assert len(judged.told) >= len(NAMES)
    assert [text for text in texts if re.search(r"<no value>|<error|\{\{|%!|  ", text)] == []


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_alert_is_routed_and_explained(alert: promtool.Alert) -> None:
    """A severity decides who hears of it, and the runbook is where the address says."""
    assert alert.rule["labels"]["severity"] in {"page", "ticket", "info"}
    assert set(alert.rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert.rule["annotations"]["runbook_url"] == f"deploy/runbooks/{alert.name}.md"
    assert "$value" in alert.rule["annotations"]["description"]


def test_every_alert_has_something_to_change(judged: Judged) -> None:
    """An alert without mutants would never be found wrong."""
    assert [name for name in NAMES if len(judged.mutants[name]) < 2] == []


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_has_its_name_and_labels(name: str) -> None:
    """What asks for a renamed metric, or a value that a label never has, is silent for ever."""
    metrics = known_metrics()
    for selector in promql.selectors(EXPRESSIONS[name]):
        metric = selector.partition("{")[0]
        assert metric in metrics, selector
        labels = metrics[metric].labels | ({"le": ()} if metric.endswith("_bucket") else {})
        for label, values in narrowed(selector).items():
            assert label in labels, selector
            assert not labels[label] or set(values) <= set(labels[label]), selector


def test_failures_are_what_the_records_call_so() -> None:
    """The error budget counts every outcome with the verdict failed, and no other but ok."""
    failed = {outcome for outcome, verdict in OUTCOMES.items() if verdict == "failed"}
    generating = {route.name for route in ROUTES.values() if route.generates}
    seen = [
        narrowed(selector)
        for expression in EXPRESSIONS.values()
        for selector in promql.selectors(expression)
        if selector.startswith("gateway_requests_total{")
    ]
    assert {frozenset(matchers["outcome"]) for matchers in seen} == {
        frozenset(failed),
        frozenset(failed | {"ok"}),
    }
    assert {frozenset(matchers["route"]) for matchers in seen} == {frozenset(generating)}


def test_records_are_named_by_level_metric_and_operations() -> None:
    """Whoever reads a dashboard sees by its name what is recorded."""
    records = [rule["record"] for rule in RULES if "record" in rule]
    assert [name for name in records if not re.fullmatch(r"[a-z_]+:gateway_\w+:\w+", name)] == []
    for rule in RULES:
        if "record" in rule:
            assert f"by ({', '.join(level(rule['record']))}" in rule["expr"]


@cache
def known_metrics() -> dict[str, Metric]:
    """Return every series that an expression may ask for, by its name."""
    listed = [
        *metric_list.read(metric_list.GATEWAY_LIST), *metric_list.read(metric_list.VLLM_LIST)
    ]  # fmt: skip
    recorded = [rule["record"] for rule in RULES if "record" in rule]
    records = [Metric(name, "gauge", dict.fromkeys(level(name), ())) for name in recorded]
    known = {sample: metric for metric in listed for sample in metric.samples}
    return known | {metric.name: metric for metric in records} | {"up": Metric("up", "gauge", {})}


def narrowed(selector: str) -> dict[str, list[str]]:
    """Return the values that a selector takes of each label that it names."""
    return {label: said.split("|") for label, said in MATCHER.findall(selector)}


def level(record: str) -> list[str]:
    """Return the labels that a record's name says it keeps."""
    return record.partition(":")[0].split("_")
