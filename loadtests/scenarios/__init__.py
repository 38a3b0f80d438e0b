"""The scenarios, each one question to an endpoint, by name; or a file of your own requests."""

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from loadtests.failure import LoadError
from loadtests.scenario import Scenario
from loadtests.scenarios import (
    document,
    json_schema,
    long_context,
    long_thinking,
    mixed,
    multi_turn,
    picture,
    several_pictures,
    short_chat,
    thinking_budgets,
    tool_loop,
    video,
)
from loadtests.scenarios.part import part_names, part_scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.jsonl import Lines

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        mixed.SCENARIO,
        short_chat.SCENARIO,
        long_thinking.SCENARIO,
        thinking_budgets.SCENARIO,
        picture.SCENARIO,
        several_pictures.SCENARIO,
        video.SCENARIO,
        document.SCENARIO,
        tool_loop.SCENARIO,
        json_schema.SCENARIO,
        multi_turn.SCENARIO,
        long_context.SCENARIO,
    )
}
LINES: Final = ".jsonl"


def find_scenario(name: str) -> Scenario:
    """Return the scenario of a name or of a path to JSON lines; raises LoadError."""
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name in part_names():
        return part_scenario(name)
    path = Path(name)
    if path.suffix == LINES or path.is_file():
        return own_scenario(path)
    near = get_close_matches(name, SCENARIOS, 1, 0.0)[0]
    raise LoadError(
        f"There is no scenario {name!r}; the nearest is {near!r}. "
        f"Requests of your own go in a file whose name ends in {LINES}."
    )


def own_scenario(path: Path) -> Scenario:
    """Return the scenario of a file of JSON lines; raises LoadError."""
    lines = Lines(path)
    return Scenario(
        name=str(path),  # under which a worker finds it, too
        question=f"How does the endpoint answer the requests of {path.name}?",
        prompts=lines.prompts,
        kinds=lines.rows,
        shape=Steps(tuple(map(Users, (1, 2, 4, 8))), seconds=15, settle_seconds=3),
    )


def scenario_table() -> str:
    """Return the scenarios as a Markdown table: name, question, kinds."""
    rows = ["| scenario | question | kinds |", "| --- | --- | --- |"]
    for name, scenario in SCENARIOS.items():
        kinds = scenario.kinds or mixed.kinds()
        rows.append(f"| `{name}` | {scenario.question} | {', '.join(kinds)} |")
    return "\n".join(rows) + "\n"
