"""How does time to first token grow with the number of pictures in a request?

Expected: in proportion, once the pictures take longer than everything else. Judged by the time to
first token.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Single, Users
from loadtests.workloads.pictures import MANY

SCENARIO: Final = Scenario(
    name="several-pictures",
    question="How does the time to first token grow with the number of pictures in a request?",
    prompts=MANY.prompts,
    kinds=MANY.rows,
    shape=Single(Users(3), seconds=60, settle_seconds=6, drain_seconds=60),
)
