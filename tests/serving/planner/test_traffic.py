"""The traffic file: what it comes to, and how its faults are told."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.failure import NotDone
from serving.planner.traffic import Traffic, read_traffic
from tests.serving.planner.traffic_file import TRAFFIC, traffic_file


def read(folder: Path, idle_hours: float | None = None, **changes: Any) -> Traffic:
    """Read the example with some fields changed; None leaves one out."""
    return read_traffic(traffic_file(folder, **changes), idle_hours)


def test_means_of_a_request(tmp_path: Path) -> None:
    """Tokens by hand: 400 of text of which a quarter is cached, two pictures of 100."""
    work = read(tmp_path, thinking_budget=None).work
    assert work.prompt_tokens == 600
    assert work.cached_tokens == 100
    assert work.new_text_tokens == 300
    assert (work.picture_tokens, work.pictures) == (200, 2)
    assert (work.thinking_tokens, work.answer_tokens) == (100, 50)


def test_a_day(tmp_path: Path) -> None:
    """Ten a second at peak, half of that at a mean, four hours without any."""
    day = read(tmp_path, idle_hours=4)
    assert day.requests_per_day == 10 * 0.5 * 3600 * 20


def test_hours_say_mean_and_idle_hours(tmp_path: Path) -> None:
    """Relative to each other: 6 hours nothing, 12 hours 1, 6 hours 4."""
    day = read(tmp_path, mean_to_peak=None, hourly=[0] * 6 + [1] * 12 + [4] * 6)
    assert day.idle_hours == 6
    assert day.mean_to_peak == pytest.approx(2 / 4)
    assert day.least_to_peak == 0
    busy = read(tmp_path, mean_to_peak=None, hourly=[1] * 12 + [4] * 12)
    assert busy.least_to_peak == pytest.approx(1 / 4)
    assert read(tmp_path).least_to_peak is None
    assert day.requests_per_day == pytest.approx(10 * 3600 * (12 / 4 + 6))


def test_a_spread_under_a_budget(tmp_path: Path) -> None:
    """Each length is cut off on its own, and percentiles are those of the spread."""
    spread = [{"share": 0.3, "tokens": 1000}, {"share": 0.7, "tokens": 100}]
    thought = read(tmp_path, thinking_tokens=spread, thinking_budget=500).thought
    assert thought.mean == pytest.approx(0.7 * 100 + 0.3 * 500)
    assert (thought.quantile(0.7), thought.quantile(0.71)) == (100, 500)


def test_thoughts_that_are_all_as_long_have_no_spread(tmp_path: Path) -> None:
    """A share of 1 says more than a mean: a larger budget cuts none of them off."""
    alike = read(tmp_path, thinking_tokens=[{"share": 1, "tokens": 300}], thinking_budget=400)
    assert (alike.thought.mean, alike.thought.quantile(0.99)) == (300, 300)
    assert alike.halved_thought().thought.mean == 200
    assert read(tmp_path, thinking_tokens=300, thinking_budget=400).thought.mean < 300


@pytest.mark.parametrize("budget", [10.0, 100.0, 1000.0])
def test_a_mean_under_a_budget_is_that_of_an_exponential(tmp_path: Path, budget: float) -> None:
    """The integral of e^(-x/m) from 0 to the budget, here by the midpoint rule."""
    found = read(tmp_path, thinking_budget=budget).thought.mean
    parts = 20_000
    width = budget / parts
    expected = sum(math.exp(-(i + 0.5) * width / 100) for i in range(parts)) * width
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_budget_alone_is_used_to_its_end(tmp_path: Path) -> None:
    """And half of it halves the thought."""
    traffic = read(tmp_path, thinking_tokens=None, thinking_budget=800)
    assert traffic.thought.mean == 800
    assert traffic.halved_thought().thought.mean == 400


def test_without_a_budget_thoughts_are_halved(tmp_path: Path) -> None:
    """Each of them."""
    assert read(tmp_path, thinking_budget=None).halved_thought().thought.mean == 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peak_requests_per_second": None}, "peak_requests_per_second in traffic.yaml is missing"),
        ({"peak_requests_per_second": -1}, "is -1, not a number from 1e-06 to 1e+06"),
        ({"peak_requests_per_second": True}, "is True, not a number"),
        ({"mean_to_peak": 1.5}, "mean_to_peak in traffic.yaml is 1.5"),
        ({"mean_to_peek": 0.5}, "Did you mean mean_to_peak?"),
        ({"hourly": [1] * 24}, "says what mean_to_peak says, too"),
        ({"mean_to_peak": None, "hourly": [1] * 23}, "is no list of 24 numbers"),
        ({"mean_to_peak": None, "hourly": [0] * 24}, "has no hour with traffic"),
        ({"mean_to_peak": None, "hourly": [math.inf] * 24}, "hourly[0] in traffic.yaml is inf"),
        ({"mean_to_peak": None, "hourly": [1e9 + 1] * 24}, "not a number from 0 to 1e+09"),
        ({"answer_tokens": "many"}, "answer_tokens in traffic.yaml is 'many'"),
        ({"cached_share": 2}, "cached_share in traffic.yaml is 2, not a number from 0 to 1"),
        ({"answer_token": 2}, "Did you mean answer_tokens?"),
        ({"tokens_per_picture": None}, "is missing, while there are pictures"),
        ({"text_tokens": [{"share": 0.5, "tokens": 3}]}, "has shares that do not add up to 1"),
        ({"text_tokens": [{"share": 1}]}, "text_tokens[0].tokens in traffic.yaml is None"),
        ({"thinking_tokens": math.nan}, "thinking_tokens in traffic.yaml is nan"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Field, file, limit, and what to do."""
    with pytest.raises(NotDone) as refused:
        read(tmp_path, **changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("a: [", "line 1 is not valid YAML"),
        ("- 1\n", "holds no fields"),
        ("", "holds no fields"),
        (yaml.safe_dump({**TRAFFIC, "request": 3}), "request in traffic.yaml holds no fields"),
    ],
)
def test_files_that_hold_no_traffic(tmp_path: Path, content: str | None, said: str) -> None:
    """The file is named."""
    path = tmp_path / "traffic.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotDone) as refused:
        read_traffic(path, None)
    assert said in str(refused.value)
