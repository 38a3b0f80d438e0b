"""Prometheus' own checker: it loads rule files, and tells when alerts fire on given series."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.helm.alert_cases import Case, Series

ALERTS: Final = Path(__file__).parents[2] / "helm" / "qwen3-vl" / "alerts"
WAIT_SECONDS: Final = 60.0
# Between the name of an alert and the number of its mutant.
MUTANT: Final = "_mutant_"

Rule = dict[str, Any]
Json = dict[str, Any]
Labels = Mapping[str, str]

# Who the series come from. Outside Kubernetes there are no namespaces and no pods.
IN_A_CLUSTER: Final = {
    "namespace": "team-a", "job": "vl", "pod": "vl-0", "instance": "10.0.0.1:9000",
}  # fmt: skip
ON_A_HOST: Final = {"job": "host", "instance": "127.0.0.1:9000"}
OF_A_POOL: Final = ("namespace", "job")
TARGETS: Final = (IN_A_CLUSTER, ON_A_HOST)

FAILED: Final = re.compile(r' +expr: "ALERTS\{alertname=\\"(\w+)')
TOLD: Final = re.compile(r"^ +Labels:(\{.*\})\n +Annotations:(\{.*\}),?$", re.MULTILINE)
PAIR: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


class Alert(NamedTuple):
    """A rule that fires, and the file it is in."""

    name: str
    file: str
    rule: Rule


class Told(NamedTuple):
    """An alert as people get it."""

    labels: dict[str, str]
    annotations: dict[str, str]


def find_promtool() -> str:
    """Return the program; skip where it is missing."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; enable: make ci-deps")
    return program


def read_rules(folder: Path = ALERTS) -> dict[str, list[Rule]]:
    """Return all rules by the name of their file, in their order."""
    return {
        path.name: [rule for group in _document(path)["groups"] for rule in group["rules"]]
        for path in sorted(folder.glob("*.yaml"))
    }


def read_alerts(folder: Path = ALERTS) -> list[Alert]:
    """Return the alerts in their order."""
    return [
        Alert(rule["alert"], file, rule)
        for file, rules in read_rules(folder).items()
        for rule in rules
        if "alert" in rule
    ]


def check_rules(paths: Iterable[Path]) -> subprocess.CompletedProcess[str]:
    """Have rule files parsed."""
    return _run("check", "rules", *map(str, paths))


def judge(cases: Iterable[Case], folder: Path, scratch: Path) -> tuple[dict[str, str], list[Told]]:
    """Run cases against a folder's rules; return who fires wrongly, and what alerts tell people.

    Of each alert that fails a case it is said how.
    """
    alerts = read_alerts(folder)
    output = _run_tests(cases, alerts, folder, scratch)
    parts = re.split(r"(?=^ +(?:expr|alertname): )", output, flags=re.MULTILINE)
    wrong = {found[1]: part for part in parts if (found := FAILED.match(part))}
    return wrong, [Told(*map(_pairs, found)) for found in TOLD.findall(output)]


def target_labels(case: Case, target: Labels) -> dict[str, str]:
    """Return the labels by which an alert names where it comes from, and its own."""
    kept = {"pool": OF_A_POOL, "pod": tuple(target), "nothing": ()}[case.of]
    return {name: value for name, value in target.items() if name in kept} | dict(case.labels)


def _expected(case: Case, alerts: list[Alert]) -> Json:
    """Expect the same of a case's alert and of all its mutants.

    What an alert tells people is shown only where something else was expected: here, nothing.
    """
    tests = [
        test
        for alert in alerts
        if alert.name.partition(MUTANT)[0] == case.alert
        for test in _fires_at_its_minute(case, alert)
    ]
    question = {"alertname": case.alert, "eval_time": f"{case.at}m", "exp_alerts": []}
    return {"promql_expr_test": tests, "alert_rule_test": [question]}


def _fires_at_its_minute(case: Case, alert: Alert) -> Iterator[Json]:
    """Expect that an alert fires for each target at its minute, and a step before for none."""
    query = f'ALERTS{{alertname="{alert.name}",alertstate="firing"}}'
    every = {"alertname": alert.name, "alertstate": "firing", **alert.rule["labels"]}
    names = {_selector("ALERTS", every | target_labels(case, target)): 1 for target in TARGETS}
    samples = [{"labels": labels, "value": value} for labels, value in names.items()]
    before = case.at - case.step_minutes
    yield {"expr": query, "eval_time": f"{before}m", "exp_samples": []}
    yield {"expr": query, "eval_time": f"{case.at}m", "exp_samples": samples}


def _input(case: Case) -> Json:
    """Return a test's series: those that fire on each target, and the quiet ones elsewhere."""
    series = [each for target in TARGETS for each in _of(target, case.fires)]
    for number, quiet in enumerate(case.quiet):
        elsewhere = IN_A_CLUSTER | {
            "namespace": f"quiet-{number}", "instance": f"10.0.1.{number}:9000",
        }  # fmt: skip
        series += _of(elsewhere, quiet)
    return {"interval": f"{case.step_minutes}m", "input_series": series}


def _of(target: Labels, series: Series) -> list[dict[str, str]]:
    """Say whose the series are; a series may name its own pod."""
    found = []
    for selector, values in series.items():
        name, _, own = selector.partition("{")
        labels = {key: json.loads(value) for key, value in PAIR.findall(own)}
        found.append({"series": _selector(name, dict(target) | labels), "values": values})
    return found


def _selector(name: str, labels: Labels) -> str:
    return name + "{" + ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items()) + "}"


def _run_tests(cases: Iterable[Case], alerts: list[Alert], folder: Path, scratch: Path) -> str:
    """Run cases, those of one rule file and one step together; return all that was said."""
    files = {alert.name: alert.file for alert in alerts}
    groups: dict[tuple[str, int], list[Json]] = {}
    for case in cases:
        tests = groups.setdefault((files[case.alert], case.step_minutes), [])
        tests.append(_input(case) | _expected(case, alerts))
    return "".join(
        _run_group(folder / file, step, tests, scratch) for (file, step), tests in groups.items()
    )


def _run_group(rules: Path, step: int, tests: list[Json], scratch: Path) -> str:
    path = scratch / "tests.yaml"
    document = {"rule_files": [str(rules)], "evaluation_interval": f"{step}m", "tests": tests}
    path.write_text(json.dumps(document), encoding="utf-8")
    done = _run("test", "rules", str(path))
    output = done.stdout + done.stderr
    # Anything but a verdict on a test is a fault of the tests themselves.
    assert "got:" in output, output
    return output


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (find_promtool(), *words),
        capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip


def _document(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def _pairs(text: str) -> dict[str, str]:
    return {key: json.loads(value) for key, value in PAIR.findall(text)}
