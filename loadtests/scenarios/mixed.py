"""Do text, pictures and long thoughts get their answers side by side, and how long does each wait?

Hypothesis: none fails, and the long thoughts of some users do not keep the others from their first
token for longer than their own prompt takes.
"""

from loadtests.scenario import Scenario
from loadtests.workloads import long_thought, picture, text

SCENARIO = Scenario(
    name="mixed",
    seed=20260701,
    mix={text: 5, picture: 4, long_thought: 1},
    users=4,
    duration_seconds=30,
    warmup_seconds=3,
    drain_seconds=60,
)
