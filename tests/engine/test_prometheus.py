"""Dashboards and alerts against a real Prometheus that scrapes the running gateway and engine.

Every query of every panel and rule must return series while there is load; those that speak only of
trouble may be empty, and are listed with the reason.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import time
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.dashboards import picture
from tests import prometheus, promql
from tests.engine.conftest import ROOT, DrawCircle, Endpoint
from tests.engine.mixed_load import mixed_load
from tests.prometheus import Prometheus, Start

CHART = ROOT / "helm" / "qwen3-vl"
BOARDS = sorted((CHART / "dashboards").glob("*.json"))
ALERTS = sorted((CHART / "alerts").glob("*.yaml"))
OVERVIEW = json.loads((CHART / "dashboards" / "overview.json").read_text())["panels"]
PATIENCE_SECONDS = 20
# The same gateway and engine are scraped twice: as on a laptop, and as in a cluster. What a reader
# may choose on a board: everything, what has no labels of a cluster, and one pod.
CLUSTER = {"namespace": "llm", "pod": "qwen3-vl-0"}
CHOICES = {
    "all": {"$namespace": ".*", "$pod": ".*", "$instance": ".*"},
    "laptop": {"$namespace": "", "$pod": "", "$instance": ".*"},
    "cluster": {"$namespace": "llm", "$pod": "qwen3-vl-0", "$instance": ".*"},
}
# Windows that hold all of the load.
WINDOWS = {"$__rate_interval": "2m", "$__range": "5m", "$key": ".*"}
# Panels and rules without series while all is well, and why there are none here.
MAY_BE_EMPTY = {
    "Whose requests fail?": "no request fails here",
    "How much of its budget has each key spent?": "nobody has a key here, and so no budget",
    "KeyBudgetNearItsEnd": "nobody has a key here, and so no budget",
    "How many days is the certificate good?": "no certificate is served here",
    "How many pictures were prepared already?": "processed pictures are not kept (decision 9)",
    "How many draft tokens of speculative decoding are accepted?": "nothing is drafted",
    "How many tokens does a draft save?": "nothing is drafted",
}

Asked = list[tuple[str, str]]


@pytest.fixture(scope="module")
def watched(endpoint: Endpoint, start_prometheus: Start, circle: DrawCircle) -> Prometheus:
    """Return a Prometheus that has seen the endpoint before, under and after load.

    The load comes twice: rates are of series that were there before they grew.
    """
    address, picture = urlsplit(endpoint.admin_url).netloc, circle("red", "PNG")
    jobs = [
        prometheus.job(f"{name}{place}", address, path, **labels)
        for name, path in (("gateway", "/metrics"), ("engine", "/engine/metrics"))
        for place, labels in (("", {}), ("-pods", CLUSTER))
    ]
    server = start_prometheus(jobs, ALERTS)
    statuses = mixed_load(endpoint.url, picture)
    assert set(statuses) == {200, 400}, endpoint.words()
    _wait_for_scrape(server)
    mixed_load(endpoint.url, picture)
    _wait_for_scrape(server)
    return server


def _wait_for_scrape(server: Prometheus) -> None:
    """Return once everything has been scraped anew."""
    seen = f"min(timestamp(up)) > {time.time()} and count(up == 1) == 4"
    server.wait(lambda: server.query(seen))


def put(expression: str, choice: dict[str, str]) -> str:
    """Return a panel's expression as Grafana would ask it."""
    for name, value in (WINDOWS | choice).items():
        expression = expression.replace(name, value)
    return expression


def unanswered(server: Prometheus, asked: Asked) -> Asked:
    """Return what has no series, or none with a number, and should have some."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    missing = [one for one in asked if not says_something(server, one[1])]
    missing = [one for one in missing if one[0] not in MAY_BE_EMPTY]
    while missing and time.monotonic() < give_up:
        time.sleep(1)  # a rule's series come a moment after what they are made of
        missing = [one for one in missing if not says_something(server, one[1])]
    return missing


def rules(path: Path) -> list[Any]:
    """Return the rules of a file."""
    return [r for group in yaml.safe_load(path.read_text())["groups"] for r in group["rules"]]


def says_something(server: Prometheus, expression: str) -> bool:
    """Tell whether an expression has a series whose value is a number."""
    found = server.query(expression)
    samples = [series.get("value") or series["values"][-1] for series in found]
    return any(not math.isnan(float(value)) for _, value in samples)


def test_all_is_scraped(watched: Prometheus) -> None:
    """The gateway and its engine, through the same admin port."""
    assert set(watched.targets().values()) == {"up"}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_panel_shows_something(watched: Prometheus, path: Path, choice: str) -> None:
    """No panel asks for a metric or a label that nobody has, nor divides what does not match."""
    panels = [p for p in json.loads(path.read_text())["panels"] if p["type"] != "row"]
    targets = [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
    asked = [(title, put(expression, CHOICES[choice])) for title, expression in targets]
    assert len(asked) > len(panels) > 5
    assert unanswered(watched, asked) == []


@pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.stem)
def test_every_rule_can_speak(watched: Prometheus, path: Path) -> None:
    """Each part of a rule has series; what it compares with only decides when it fires."""
    asked = [
        (rule.get("alert") or rule["record"], question.replace(" offset 1d", ""))
        for rule in rules(path)
        for question in promql.questions(rule["expr"])
    ]
    assert asked
    assert unanswered(watched, asked) == []


def test_every_rule_is_evaluated(watched: Prometheus) -> None:
    """Prometheus itself finds no fault with a rule on what is really there."""
    running = {rule["name"]: rule for rule in watched.rules()}
    assert {
        rule["name"]: rule["lastError"] for rule in running.values() if "lastError" in rule
    } == {}
    assert {rule["health"] for rule in running.values()} == {"ok"}
    written = [rule for path in ALERTS for rule in rules(path)]
    assert running.keys() == {rule.get("alert") or rule["record"] for rule in written}


def test_the_overview_can_be_drawn(watched: Prometheus) -> None:
    """The picture for the README holds every panel of the rows asked for, with data."""
    options = picture.parse([watched.url, "--minutes", "5", "--rows", "6", "--caption", "a < b"])
    page, height = picture.page(options)
    assert "<p>a &lt; b</p>" in page and height > 1000
    rows = [number for number, panel in enumerate(OVERVIEW) if panel["type"] == "row"]
    shown = [panel for panel in OVERVIEW[: rows[6]] if panel["type"] != "row"]
    titles = [escape(panel["title"]) for panel in shown]
    assert [title for title in titles if f"<b>{title}</b>" not in page] == []
    assert page.count("<section") == len(shown)
    assert page.count("<svg") == sum(panel["type"] == "timeseries" for panel in shown) > 20
    assert "nothing happened" not in page


def test_what_may_be_empty_still_is_asked() -> None:
    """No line of that list outlives its panel or rule."""
    titles = [p["title"] for path in BOARDS for p in json.loads(path.read_text())["panels"]]
    titles += [rule.get("alert") or rule["record"] for path in ALERTS for rule in rules(path)]
    assert MAY_BE_EMPTY.keys() - set(titles) == set()


def test_the_engine_can_draft() -> None:
    """What its page has only where speculative decoding is on has these names in its source."""
    found = importlib.util.find_spec("vllm")
    assert found is not None and found.origin is not None
    source = (Path(found.origin).parent / "v1" / "spec_decode" / "metrics.py").read_text()
    board = (CHART / "dashboards" / "engine.json").read_text()
    names = {name.removesuffix("_total") for name in re.findall(r"vllm:spec_decode\w+", board)}
    assert names
    assert [name for name in names if f'"{name}"' not in source] == []
