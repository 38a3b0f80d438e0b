"""What does a picture cost by its size and format, cold and sent before?

Expected: time to first token grows with the pixels and the bytes; a repeated picture's tokens are
cached ones. Judged by the time to first token and by the cached tokens.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Single, Users
from loadtests.workloads.pictures import SINGLE

SCENARIO: Final = Scenario(
    name="picture",
    question="What does a picture cost by its size and format, cold and sent before?",
    prompts=SINGLE.prompts,
    kinds=SINGLE.rows,
    shape=Single(Users(2), seconds=90, settle_seconds=15, drain_seconds=60),
)
