"""One kind of requests alone, named as a part of the mix is: `picture/720p JPEG cold`."""

from loadtests.scenario import Scenario
from loadtests.scenarios.mixed import WORKLOADS
from loadtests.shapes import Single, Users
from loadtests.workloads.workload import Workload


def part_names() -> list[str]:
    """Name every kind of every workload that has several."""
    return [
        f"{name}/{kind.name}"
        for name, workload in WORKLOADS.items()
        for kind in workload.kinds
        if len(workload.kinds) > 1
    ]


def part_scenario(name: str) -> Scenario:
    """Return the scenario of one of `part_names`."""
    workload, _, wanted = name.partition("/")
    [kind] = (kind for kind in WORKLOADS[workload].kinds if kind.name == wanted)
    alone = Workload((kind,))
    return Scenario(
        name=name,
        question=f"How does the endpoint answer {wanted} alone?",
        prompts=alone.prompts,
        kinds=alone.rows,
        shape=Single(Users(2), seconds=60, settle_seconds=10, drain_seconds=60),
    )
