"""How soon is a tool called, and how soon comes the answer after its result?

Expected: the second turn finds the first one's prompt in the prefix cache. Judged by the time to
first answer token of both turns.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.tools import LOOP

SCENARIO: Final = Scenario(
    name="tool-loop",
    question="How soon is a tool called, and how soon comes the answer after its result?",
    prompts=LOOP.prompts,
    kinds=LOOP.rows,
    shape=Steps(tuple(map(Users, (1, 4, 16))), seconds=15, settle_seconds=3, drain_seconds=60),
)
