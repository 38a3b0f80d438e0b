"""One kind of requests alone, named as a part of the mix is: `picture/720p JPEG cold`."""

from loadtests.scenario import Scenario
from loadtests.scenarios.mixed import parts
from loadtests.shapes import Single, Users
from loadtests.workloads.workload import Workload


def part_names() -> list[str]:
    """Name every kind of every workload that has several."""
    return [name for name in parts() if "/" in name]


def part_scenario(name: str) -> Scenario:
    """Return the scenario of one of `part_names`."""
    kind = parts()[name]
    alone = Workload((kind,))
    return Scenario(
        name=name,
        question=f"How does the endpoint answer {kind.name} alone?",
        prompts=alone.prompts,
        kinds=alone.rows,
        shape=Single(Users(2), seconds=60, settle_seconds=10, drain_seconds=60),
    )
