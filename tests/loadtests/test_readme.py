"""The load tests' README names what there is: options, variables of make, scenarios, exit codes."""

import re
from pathlib import Path

import typer.main

from loadtests.__main__ import app
from loadtests.scenarios import scenario_table
from loadtests.verdict import Exit

FOLDER = Path(__file__).parents[2] / "loadtests"
README = (FOLDER / "README.md").read_text()
MAKEFILE = (FOLDER.parent / "Makefile").read_text()


def test_every_option_has_its_line():
    """None more, none less."""
    command = typer.main.get_command(app).commands["run"]
    known = {option for each in command.params for option in each.opts if option[0] == "-"}
    assert set(re.findall(r"`(--[a-z-]+)`", README)) == known


def test_make_hands_on_what_it_is_said_to():
    """Each variable of the table is one of the Makefile's, and an option under its own name."""
    [names] = re.findall(r"^LOAD := (.*)$", MAKEFILE, re.MULTILINE)
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (`--[a-z`, -]+`) \|", README, re.MULTILINE)
    pairs = {
        variable: option
        for variables, options in rows
        for variable, option in zip(
            re.findall(r"`(\w+)`", variables), re.findall(r"`--([a-z-]+)`", options), strict=False
        )
        if variable != "ARGS"
    }
    assert set(pairs) == set(names.split())
    assert all(variable.lower().replace("_", "-") == pairs[variable] for variable in pairs)


def test_scenarios_are_listed_as_they_are():
    """The table is the program's own."""
    [table] = re.findall(r"<!-- scenarios -->\n(.*?)<!-- /scenarios -->", README, re.DOTALL)
    assert table == scenario_table()


def test_every_exit_code_has_its_line():
    """By its number."""
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)} >= set(Exit)
