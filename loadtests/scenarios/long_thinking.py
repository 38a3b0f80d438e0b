"""How does a long thought delay the first answer token, and how fast do its tokens come?

Expected: time to first token stays, time to first answer token is tokens of thought x time per
token. Judged by the time to first answer token.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.thinking import LONG

SCENARIO: Final = Scenario(
    name="long-thinking",
    question="How long does a long thought hold back the first answer token?",
    prompts=LONG.prompts,
    kinds=LONG.rows,
    shape=Steps(tuple(map(Users, (1, 4, 16))), seconds=30, settle_seconds=5, drain_seconds=120),
)
