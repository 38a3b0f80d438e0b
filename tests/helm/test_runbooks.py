"""The runbooks: one for each alert, and nothing in them that the product does not have."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from serving.__main__ import app
from serving.gateway.docs.failures import CODES
from serving.gateway.record import OUTCOMES
from serving.settings import OPTIONS
from tests import promql
from tests.contracts import metric_list
from tests.helm import promtool
from tests.helm.runbooks import BLOCK, COMMAND, FOLDER, HEADINGS, OPTION, PAGE, SETTING, Runbook
from tests.helm.runbooks import read_runbooks as read

RUNBOOKS = read()
ALERTS = promtool.read_alerts()
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
ROOT = FOLDER.parents[1]
# Their first step is the story of one slow request.
LATENCY = ("FirstTokenSlow", "FirstAnswerTokenSlow", "QueueNeverEmpty", "PreemptionsHigh")
# Not as a part of what the rules record.
NAMED = re.compile(r"(?<![:\w])(?:gateway|process)_[a-z_]+\b|\bvllm:\w+")

each = pytest.mark.parametrize("page", RUNBOOKS.values(), ids=RUNBOOKS)


def test_alerts_and_runbooks_go_together() -> None:
    """No alert is without its page, and no page outlives its alert."""
    assert set(RUNBOOKS) == {alert.name for alert in ALERTS}


def test_the_index_is_what_the_rules_say() -> None:
    """Each alert is listed once, with its severity and its patience, file by file."""
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| ([\w ]+) \|$", INDEX, re.MULTILINE)
    assert sorted(rows) == sorted(
        (alert.name, alert.name, alert.rule["labels"]["severity"], alert.rule.get("for", "at once"))
        for alert in ALERTS
    )


@each
def test_every_runbook_has_its_four_parts(page: Runbook) -> None:
    """Meaning, Impact, Diagnosis and Mitigation, in this order and none of them empty."""
    assert page.text.startswith(f"# {page.name}\n")
    assert page.headings == HEADINGS
    assert [heading for heading in HEADINGS if len(page.part(heading).split()) < 3] == []


@each
def test_no_code_is_broken_by_a_line(page: Runbook) -> None:
    """What is set as code is read whole by these tests, and pasted whole by people."""
    lines = BLOCK.sub("", page.text).splitlines()
    assert [line for line in lines if line.count("`") % 2] == []


@each
def test_every_diagnosis_can_be_pasted(page: Runbook) -> None:
    """It has a query, and a command of the product or a page of its admin port."""
    assert page.queries
    assert "```console" in page.part("Diagnosis")


@pytest.mark.parametrize("name", LATENCY)
def test_latency_begins_with_one_request(name: str) -> None:
    """The first command of the product is `serving request`."""
    commands = re.findall(r"^\$ serving .*$", RUNBOOKS[name].text, re.MULTILINE)
    assert commands[0] == "$ serving request ID"
    queries = RUNBOOKS[name].text.index("```promql")
    assert RUNBOOKS[name].text.index("$ serving request ID") < queries


@each
def test_every_command_is_the_programs(page: Runbook) -> None:
    """Each sub-command exists, with each of its options."""
    for text in page.commands:
        command = resolve(text)
        options = {option for each in command.params for option in each.opts}
        assert set(OPTION.findall(text)) <= options, text


@each
def test_every_setting_is_an_option(page: Runbook) -> None:
    """Whoever follows the page can set what it names."""
    assert {name for name in SETTING.findall(page.text) if name not in OPTIONS} == set()


def test_settings_are_named_with_their_group() -> None:
    """A name that could only be a setting's has its group before it, so that it is checked."""
    options = {name.partition(".")[2] for name in OPTIONS if "_" in name} - set(CODES)
    bare = {code for page in RUNBOOKS.values() for code in page.code if code in options}
    assert bare == set()


@each
def test_every_page_of_the_admin_port_is_there(page: Runbook) -> None:
    """What `curl` asks for is served."""
    admin = (ROOT / "serving/gateway/admin.py").read_text(encoding="utf-8")
    served = set(re.findall(r'"(/[a-z/]+)": self\._', admin))
    assert {"/metrics", "/readyz"} <= served
    assert set(PAGE.findall(page.text)) <= served


@each
def test_every_metric_is_exported(page: Runbook) -> None:
    """Queries and mentions name what gateway and engine export, or what the rules record."""
    known = known_samples()
    asked = {name for query in page.queries for name in promql.names(query)}
    mentioned = set(NAMED.findall(" ".join(page.code)))
    assert asked
    assert {name for name in asked | mentioned if name not in known} == set()


@each
def test_every_word_to_look_for_is_logged(page: Runbook) -> None:
    """What a page greps the gateway's log for stands in a message of its own."""
    sought = re.findall(r"^\$ grep (['\"])(.+?)\1 GATEWAY_LOG", page.text, re.MULTILINE)
    assert [words for _, words in sought if words not in gateway_source()] == []


def test_every_way_to_fail_leads_somewhere() -> None:
    """Whoever is woken by failures finds each outcome that counts as one."""
    named = re.findall(r"^\| `(\w+)` \|", RUNBOOKS["ErrorBudgetBurnFast"].text, re.MULTILINE)
    assert sorted(named) == sorted(
        name for name, verdict in OUTCOMES.items() if verdict == "failed"
    )


@each
def test_every_code_is_one_that_clients_get(page: Runbook) -> None:
    """A status with a code beside it is what the gateway answers."""
    said = re.findall(r"\b([45]\d\d) `(\w+)`", page.text)
    assert [pair for pair in said if CODES[pair[1]][0] != int(pair[0])] == []


def test_every_query_is_valid(tmp_path: Path) -> None:
    """Prometheus' own parser takes each of them."""
    rules = [
        {"record": "pasted", "expr": query, "labels": {"page": page.name, "query": str(number)}}
        for page in RUNBOOKS.values()
        for number, query in enumerate(page.queries)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pasted", "rules": rules}]}))
    done = promtool.check_rules([path])
    assert done.returncode == 0, done.stdout + done.stderr


@each
def test_every_link_leads_somewhere(page: Runbook) -> None:
    """Other runbooks and pages of the repository are where the link says."""
    links = re.findall(r"\]\(([^)#]+)", page.text)
    assert [link for link in links if not (FOLDER / link).is_file()] == []


@cache
def gateway_source() -> str:
    """Return the text of the gateway's modules."""
    modules = sorted((ROOT / "serving/gateway").glob("*.py"))
    return "".join(module.read_text(encoding="utf-8") for module in modules)


def resolve(text: str) -> Any:
    """Return the command that a line calls, of a group the one below it."""
    found = COMMAND.match(text)
    assert found is not None
    command: Any = typer.main.get_command(app)
    for name in found.groups():
        if hasattr(command, "commands"):
            command = command.commands[name]
    return command


@cache
def known_samples() -> set[str]:
    """Return the names of all series that PromQL can ask for."""
    listed = [
        metric
        for path in (metric_list.GATEWAY_LIST, metric_list.VLLM_LIST)
        for metric in metric_list.read(path)
    ]
    samples = {name for metric in listed for name in (metric.name, *metric.samples)}
    rules = (rule for rules in promtool.read_rules().values() for rule in rules)
    return samples | {rule["record"] for rule in rules if "record" in rule} | {"up"}
