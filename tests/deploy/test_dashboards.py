"""The dashboards: written by the code beside them, readable, and of metrics that there are."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards import grafana, objectives, overview
from deploy.dashboards.__main__ import BOARDS, FOLDER, write
from serving.gateway.record import OUTCOMES
from serving.gateway.routes import ROUTES
from tests import promql
from tests.contracts import metric_list

ALERTS = FOLDER.with_name("alerts")
LISTED = [
    metric
    for path in (metric_list.GATEWAY_LIST, metric_list.VLLM_LIST)
    for metric in metric_list.read(path)
]
COLUMNS = 24
# What a panel calls a figure; Grafana knows more.
UNITS = {"s", "short", "percentunit", "reqps", "ops", "Bps", "currencyUSD"}
OTHERS = {
    *("process_cpu_seconds_total", "process_start_time_seconds"),  # of every process
    "up",  # of Prometheus itself
    # vLLM makes them of a table, so that its list has none of them; tests/engine looks there.
    *(f"vllm:spec_decode_num_{it}_total" for it in ("drafts", "draft_tokens", "accepted_tokens")),
}

Json = dict[str, Any]


def board(name: str) -> Json:
    """Return a committed dashboard."""
    whole: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return whole


def panels(name: str) -> list[Json]:
    """Return the panels of a committed dashboard without its headings."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def rules() -> list[Json]:
    """Return every rule of the alerts' files."""
    groups = [
        g for path in ALERTS.glob("*.yaml") for g in yaml.safe_load(path.read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


def without_variables(expression: str) -> str:
    """Return an expression as Prometheus takes it."""
    return expression.replace("$__rate_interval", "1m").replace("$__range", "1h")


def test_the_files_are_what_the_code_writes(tmp_path: Path) -> None:
    """Nobody edits them by hand: `make contracts` would undo it."""
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in FOLDER.iterdir()
    )
    changed = [p.name for p in tmp_path.iterdir() if p.read_text() != (FOLDER / p.name).read_text()]
    assert changed == [], "make contracts"


def test_boards_have_ids_that_replace_older_versions() -> None:
    """Grafana knows a board by its uid, 40 characters at most, and a panel by its id."""
    uids = [board(name)["uid"] for name in BOARDS]
    assert uids == [
        *("qwen3vl-overview", "qwen3vl-engine", "qwen3vl-tenants", "qwen3vl-loadtest"),
    ]
    for name in BOARDS:
        ids = [panel["id"] for panel in board(name)["panels"]]
        assert ids == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_covers_another(name: str) -> None:
    """All are within 24 columns, and no two share a place."""
    places = [panel["gridPos"] for panel in board(name)["panels"]]
    assert [place for place in places if place["x"] + place["w"] > COLUMNS] == []
    covered = [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]
    assert covered == []


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_explains_itself(name: str) -> None:
    """It asks a question, says what to do when it looks bad, and names unit and series."""
    found = panels(name)
    assert len({panel["title"] for panel in found}) == len(found) > 5
    for panel in found:
        assert panel["title"].endswith("?"), panel["title"]
        assert len(panel["description"]) > 40, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends) or panel["type"] == "table", panel["title"]
        assert len(set(legends)) == len(legends), panel["title"]


def test_a_load_is_shaded_in_all_panels() -> None:
    """The load test's board says when there was load, and when requests had to queue."""
    overlays = board("loadtest")["annotations"]["list"]
    assert [overlay["name"] for overlay in overlays] == ["load", "requests queue"]
    for overlay in overlays:
        assert promql.limits(without_variables(overlay["expr"])) == [0]
        assert overlay["enable"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_keeps_to_what_is_selected(name: str) -> None:
    """A board of one pod never counts another's; who has no such labels is found by `All`."""
    selected = {'namespace=~"$namespace"', 'pod=~"$pod"', 'instance=~"$instance"'}
    targets = [target for panel in panels(name) for target in panel["targets"]]
    for target in [*targets, *board(name)["annotations"]["list"]]:
        asked = without_variables(target["expr"])
        for selector in promql.selectors(asked):
            matchers = set(re.findall(r"\w+=~?\"[^\"]*\"", selector))
            joined = f"and on (job, instance) {selector.partition('{')[0]}" in asked
            assert joined or matchers >= selected, (asked, selector)
    variables = board(name)["templating"]["list"]
    assert variables[0]["type"] == "datasource"
    assert [v["name"] for v in variables[1:4]] == ["namespace", "pod", "instance"]
    assert {(v["includeAll"], v["allValue"]) for v in variables[1:]} == {(True, ".*")}


def test_a_figure_of_nothing_is_empty() -> None:
    """Where nobody asked for anything 0/0 would be a figure in the colour of the worst."""
    figures = [panel for panel in panels("overview") if panel["type"] == "stat"]
    found = [
        divisor
        for panel in figures
        for target in panel["targets"]
        for divisor in promql.divisors(without_variables(target["expr"]))
    ]
    assert len(found) == len(figures) - 1  # the cost divides nothing
    assert [divisor for divisor in found if not divisor.endswith(" > 0)")] == []


def asked() -> set[str]:
    """Return every expression of boards and alerts."""
    targets = [t for name in BOARDS for panel in panels(name) for t in panel["targets"]]
    targets += [overlay for name in BOARDS for overlay in board(name)["annotations"]["list"]]
    return {without_variables(t["expr"]) for t in targets} | {rule["expr"] for rule in rules()}


def test_boards_and_alerts_ask_for_metrics_that_there_are() -> None:
    """A name that was misspelt or given up would show nothing, and never fire."""
    listed = {name for metric in LISTED for name in metric.samples}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    names = set().union(*(promql.names(expression) for expression in asked()))
    assert len(names) > 80
    assert names - listed - recorded - OTHERS == set()


def test_boards_and_alerts_ask_for_labels_that_there_are() -> None:
    """So would a label's value, and the sum over a label that is no metric's."""
    labels = {name: metric.labels for metric in LISTED for name in metric.samples}
    seen = 0
    for selector in {one for expression in asked() for one in promql.selectors(expression)}:
        known = labels.get(selector.partition("{")[0], {})
        for label, values in re.findall(r"(\w+)=~?\"([^\"]*)\"", selector):
            if known.get(label):
                assert set(values.split("|")) <= set(known[label]), selector
                seen += 1
    assert seen > 10


def test_boards_count_as_failed_what_the_gateway_does() -> None:
    """The error budget is of the routes that generate and the outcomes that are the server's."""
    routes = {route.name for route in ROUTES.values() if route.generates}
    failures = {outcome for outcome, verdict in OUTCOMES.items() if verdict == "failed"}
    assert _values(overview.GENERATING) == routes
    assert _values(overview.FAILURES) == failures
    assert set(grafana.COLOURS["outcome"]) == set(OUTCOMES)
    assert set(grafana.COLOURS["verdict"]) == set(OUTCOMES.values())


def _values(matcher: str) -> set[str]:
    return set(matcher.partition('"')[2].removesuffix('"').split("|"))


def test_alerts_hold_the_objectives_that_the_boards_show() -> None:
    """A panel that is green while an alert of it fires would be believed."""
    alerts = {rule["alert"]: rule["expr"] for rule in rules() if "alert" in rule}
    limits = {name: promql.limits(expression) for name, expression in alerts.items()}
    assert limits["FirstTokenSlow"][0] == objectives.FIRST_TOKEN_SECONDS
    assert limits["FirstAnswerTokenSlow"] == [objectives.FIRST_ANSWER_SECONDS]
    assert limits["AnswersTruncatedInThinking"] == [objectives.TRUNCATED_SHARE]
    assert f"{1 - objectives.UPTIME:.3f}" in alerts["ErrorBudgetBurnSlow"]
