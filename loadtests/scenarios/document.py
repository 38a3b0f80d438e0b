"""How soon is a number found on a page of small text, and is it the right one?

Expected: a page costs what a picture of its size costs, and is read right only where it is not
scaled down. Judged by the time to first answer token and by the share of right answers.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.documents import DOCUMENT

SCENARIO: Final = Scenario(
    name="document",
    question="How soon is a number found on a page of small text, and is it the right one?",
    prompts=DOCUMENT.prompts,
    kinds=DOCUMENT.rows,
    shape=Steps(tuple(map(Users, (1, 2, 4))), seconds=20, settle_seconds=4, drain_seconds=60),
)
