"""Whether loadtests/README.md defines what the summary holds."""

from pathlib import Path

import msgspec
import pytest

import loadtests
from loadtests.outcome import Outcome
from loadtests.result import Row, Spread, Work
from loadtests.statistics.gate import GUARDED
from loadtests.statistics.intervals import smallest_sample
from loadtests.statistics.measures import TIMES
from loadtests.statistics.objectives import METRICS
from loadtests.statistics.summary import PERCENTILES

README = (Path(loadtests.__file__).parent / "README.md").read_text(encoding="utf-8")
DEFINITIONS, STATISTICS = README.split("## Definitions", 1)[1].split("## Statistics", 1)
SPREADS = [field.name for field in msgspec.structs.fields(Row) if field.type is Spread]


def rows_of(text):
    """Return the first cell of each table row."""
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("name", SPREADS)
def test_every_time_of_a_row_is_defined(name):
    """Each has a row in the table of times, with its formula."""
    assert f"`{name}`" in rows_of(DEFINITIONS)


def test_every_time_comes_from_one_function():
    """Gaps and speeds are apart: the one is of events, the other is no time."""
    assert set(SPREADS) == TIMES.keys() | {"itl", "output_speed"}


@pytest.mark.parametrize("name", [*Outcome, *METRICS, *Work.__struct_fields__])
def test_every_outcome_metric_and_rate_is_named(name):
    """What a file or a summary may hold can be looked up."""
    assert f"`{name}`" in DEFINITIONS


def test_the_smallest_samples_are_those_of_the_code():
    """The table of the README is what the code prints by."""
    sizes = " | ".join(f"{smallest_sample(share):,}" for share in PERCENTILES.values())
    assert f"| {sizes} |" in STATISTICS


def test_what_the_gate_guards_is_told():
    """By the same names."""
    for metric in GUARDED:
        name = metric.name.removesuffix(" p50")
        assert name in STATISTICS, name
