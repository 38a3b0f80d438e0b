"""How soon is a short question answered, after text as long as in real conversations?

Expected: time to first token grows with the text before the question, time per token does not.
Judged by the times to first token and to first answer token.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Steps, Users
from loadtests.workloads.talk import CHAT

SCENARIO: Final = Scenario(
    name="short-chat",
    question="How soon is a short question answered, after text as long as in real conversations?",
    prompts=CHAT.prompts,
    kinds=CHAT.rows,
    shape=Steps(
        tuple(map(Users, (1, 2, 4, 8, 16, 32))), seconds=12, settle_seconds=3, drain_seconds=60
    ),
)
