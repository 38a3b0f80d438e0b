"""How long does a context of this size take before the first token, and is a needle found in it?

Expected: time to first token grows faster than the context. Judged by that time and by the share of
right answers.
"""

from typing import Final

from loadtests.scenario import Scenario
from loadtests.shapes import Single, Users
from loadtests.workloads.talk import LONG_CONTEXT

SCENARIO: Final = Scenario(
    name="long-context",
    question="How long does a full context take before the first token, and is a needle found?",
    prompts=LONG_CONTEXT.prompts,
    kinds=LONG_CONTEXT.rows,
    shape=Single(Users(1), seconds=300, settle_seconds=0, drain_seconds=300),
)
