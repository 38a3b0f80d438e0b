"""What does a thinking budget buy: how much sooner comes the answer, and is it still right?

Every budget gets the same questions, so that its row compares with the others. Expected: time to
first answer token grows with the budget up to the length of the thought. Judged by that time and by
the share of right answers.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Single, Users
from loadtests.workloads.thinking import BUDGETED

SCENARIO: Final = Scenario(
    name="thinking-budgets",
    question="How much sooner is the same question answered under a smaller thinking budget?",
    prompts=BUDGETED.prompts,
    kinds=BUDGETED.rows,
    shape=Single(Users(5), seconds=60, settle_seconds=5, drain_seconds=120),
)
