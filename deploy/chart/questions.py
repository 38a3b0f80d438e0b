"""What asks the pools: the test hook and the load test."""

from typing import Annotated, Final

from pydantic import Field

from deploy.chart.group import Group, LabelOrNone, NameOrNone, text
from loadtests.scenarios import SCENARIOS

NUMBER: Final = r"[0-9]+(\.[0-9]+)?"
# What `--set` makes of a text with one number.
Count = Annotated[float, Field(gt=0)]


class Verify(Group):
    """`helm test`."""

    enabled: bool


class Loadtest(Group):
    """A Job that loads a pool."""

    enabled: bool
    pool: LabelOrNone
    scenario: Annotated[str, text(rf"({'|'.join(SCENARIOS)})(/.+)?", 200)]
    rate: Annotated[str, text(rf"{NUMBER}((,{NUMBER})*|:{NUMBER})", 200, empty=True)] | Count
    users: Annotated[str, text("[0-9]+(,[0-9]+)*", 200, empty=True)] | Count
    duration_seconds: Annotated[int, Field(ge=0)]
    workers: Annotated[int, Field(ge=0, le=64)]
    max_requests: Annotated[int, Field(ge=1)]
    max_usd: Annotated[float, Field(gt=0)]
    results_claim: NameOrNone
