"""What does an answer that keeps a JSON schema cost?

Expected: the grammar costs each token a little; every answer parses. Judged by the time per answer
token and by the share of right answers.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.pictures import STRUCTURED

SCENARIO: Final = Scenario(
    name="json-schema",
    question="What does an answer that keeps a JSON schema cost?",
    prompts=STRUCTURED.prompts,
    kinds=STRUCTURED.rows,
    shape=Steps(tuple(map(Users, (1, 4, 16))), seconds=15, settle_seconds=3, drain_seconds=60),
)
