"""How soon is a question about a short video answered?

Expected: decoding takes the front end longer than a picture of that size. Judged by the time to
first token.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.films import VIDEO

SCENARIO: Final = Scenario(
    name="video",
    question="How soon is a question about a short video answered?",
    prompts=VIDEO.prompts,
    kinds=VIDEO.rows,
    shape=Steps(tuple(map(Users, (1, 2, 4))), seconds=20, settle_seconds=4, drain_seconds=60),
)
