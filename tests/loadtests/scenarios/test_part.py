"""Tests of scenarios that are one kind of another's requests."""

import random
from itertools import islice

import pytest

from loadtests.report.folder import new_folder
from loadtests.scenario import Served
from loadtests.scenarios import find_scenario
from loadtests.scenarios.part import part_names, part_scenario

SERVED = Served("any", "any")


@pytest.mark.parametrize("name", ["picture/720p JPEG cold", "long-thinking/count aloud"])
def test_a_part_asks_its_kind_alone(name: str):
    """Every prompt and every row is of that kind."""
    scenario = part_scenario(name)
    kind = name.partition("/")[2]
    assert scenario.kinds == (kind,)
    prompts = islice(scenario.prompts(random.Random(1), SERVED), 5)
    assert {prompt.kind for prompt in prompts} == {kind}


def test_parts_are_found_by_their_names(tmp_path):
    """As workers look for them; no two of them share a name or a folder of results."""
    names = [find_scenario(name).name for name in part_names()]
    assert names == part_names()
    told = [{"date": "2026-11-21T10:00:00+00:00", "scenario": name} for name in names]
    folders = {new_folder(tmp_path, each).name for each in told}
    assert len(folders) == len(names)
    assert "20261121T100000Z-4k-png-repeated" in folders


def test_two_runs_of_one_second_have_two_folders(tmp_path):
    """The later one is numbered; a file in the place of all runs is an error."""
    told = {"date": "2026-11-21T10:00:00+00:00", "scenario": "mixed"}
    names = [new_folder(tmp_path / "new", told).name for _ in range(3)]
    first = "20261121T100000Z-mixed"
    assert names == [first, f"{first}-2", f"{first}-3"]
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        new_folder(tmp_path / "taken", told)
