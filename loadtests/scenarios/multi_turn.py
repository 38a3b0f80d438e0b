"""Does a conversation stay quick while its history grows?

Expected: the prefix cache holds the history, so that only what is new takes time: cached tokens
grow from turn to turn, time to first token hardly does. Judged by that time turn by turn.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.talk import MULTI_TURN

SCENARIO: Final = Scenario(
    name="multi-turn",
    question="Does a conversation stay quick while its history grows?",
    prompts=MULTI_TURN.prompts,
    kinds=MULTI_TURN.rows,
    shape=Steps(tuple(map(Users, (1, 4))), seconds=30, settle_seconds=5, drain_seconds=60),
)
