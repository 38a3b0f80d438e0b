"""Objectives: the load tests' own files can be planned for, and others are refused."""

from pathlib import Path

import pytest
import yaml

from loadtests.statistics.objectives import METRICS, parse_objectives
from serving.failure import NotDone
from serving.planner.model import TIMES
from serving.planner.objectives import UNFORESEEN, Objective, read_objectives

FOLDER = Path(__file__).resolve().parents[3] / "loadtests" / "slo"


def test_the_default_objectives() -> None:
    """Times are planned for; the share of answers comes from the measurement."""
    found = read_objectives(FOLDER / "default.yaml")
    assert [str(each) for each in found.judged] == [
        "ttft p95 <= 2 s",
        "ttfat p95 <= 30 s",
        "tpot p95 <= 0.05 s",
    ]
    assert found.unjudged == ("answered",)


def test_the_hosted_pages_figures() -> None:
    """A median speed of 80 tokens a second is a median of 12.5 ms a token."""
    found = read_objectives(FOLDER / "hosted.yaml")
    assert Objective("tpot", "p50", 0.0125) in found.judged
    assert "images_per_second" in found.unjudged


def test_every_objective_of_the_load_tests_is_known(tmp_path: Path) -> None:
    """One for some kinds of requests alone is told of, and not taken for one of all of them."""
    assert {*TIMES, *UNFORESEEN} == set(METRICS)
    path = tmp_path / "slo.yaml"
    limit = "metric: ttft, percentile: 95, at_most_seconds: 2, reason: so"
    path.write_text(f"objectives: [{{{limit}}}, {{{limit}, kinds: [picture]}}]")
    parse_objectives(yaml.safe_load(path.read_text()), path)
    found = read_objectives(path)
    assert [str(each) for each in found.judged] == ["ttft p95 <= 2 s"]
    assert found.unjudged == ("ttft",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("objectives: [", "is refused"),
        ("objectives: 3", "Expected `array`"),
        ("objectives: [{metric: ttft, percentil: 95}]", "unknown field `percentil`"),
        ("objectives: [{metric: ttft, percentile: 195}]", "$.objectives[0].percentile"),
        ("about: nothing", "missing required field `objectives`"),
        (
            "objectives: [{metric: ttfatt, percentile: 95, at_most_seconds: 2}]",
            "there is no metric 'ttfatt', the nearest is ttfat",
        ),
        ("objectives: [{metric: e2e, at_most_seconds: 2}]", "e2e needs percentile and at_most"),
        ("objectives: [{metric: e2e, percentile: 95, at_least: 2}]", "e2e needs percentile and"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, said: str) -> None:
    """With the option and the field."""
    path = tmp_path / "slo.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotDone) as refused:
        read_objectives(path)
    assert str(refused.value).startswith(f"--objectives {path} ")
    assert said in str(refused.value)
