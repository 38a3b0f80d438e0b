"""What is measured of a GPU: twenty-five loads of a few minutes, the most telling ones first.

The planner fits the costs of prompt, picture and output tokens, and of a step of the engine, to
them. So the mixed traffic comes at every concurrency, and each kind of work at loads where it is
what the engine spends its time on.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.failure import NotDone

# No step takes longer, the engine's start included.
LIMIT_SECONDS = 480
# The rest is left for a start. The drain is as long as the longest answer: one that is cut off
# there counts as a failure.
LOAD_SECONDS, DRAIN_SECONDS = 140, 130
# For the client's own start, its look at the endpoint, its report.
WRAP_UP_SECONDS = 30
# A step that failed so often is left out; one that was killed has not failed.
MAX_FAILURES = 2
FIRST_SEED = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One scenario, or one kind of its requests, at one concurrency, as a closed loop."""

    scenario: str
    users: int

    @property
    def name(self) -> str:
        """Name the step, in files too."""
        return "-".join([*re.findall(r"[a-z0-9]+", self.scenario.lower()), str(self.users)])


@dataclass(frozen=True, slots=True)
class Lengths:
    """Output tokens of a model whose weights mean nothing."""

    thought_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Times:
    """How long the load of a step lasts; a shorter one is for trials."""

    load_seconds: int = LOAD_SECONDS
    drain_seconds: int = DRAIN_SECONDS

    @property
    def needed_seconds(self) -> int:
        """Return what a step takes when the engine is ready."""
        return self.load_seconds + self.drain_seconds + WRAP_UP_SECONDS


PLAN = (
    Step("mixed", 16),
    Step("mixed", 64),
    Step("mixed", 4),
    Step("short-chat", 1),
    Step("picture/1080p JPEG cold", 8),
    Step("long-thinking/count aloud", 16),
    Step("mixed", 128),
    Step("short-chat", 32),
    Step("long-context/32k", 4),
    Step("picture/4K JPEG cold", 4),
    Step("mixed", 32),
    Step("mixed", 8),
    Step("long-thinking/count aloud", 64),
    Step("short-chat", 128),
    Step("picture/720p JPEG cold", 16),
    Step("mixed", 1),
    Step("mixed", 2),
    Step("short-chat", 8),
    Step("long-context/128k", 1),
    Step("long-thinking/count aloud", 4),
    Step("picture/1080p JPEG cold", 32),
    Step("thinking-budgets", 16),
    Step("several-pictures", 8),
    Step("multi-turn", 16),
    Step("video", 4),
)
# Chosen, not measured: what one request says where the model cannot end by itself.
THOUGHT_TOKENS: Mapping[str, int] = {
    "mixed": 768,
    "short-chat": 384,
    "long-thinking": 2048,
    "thinking-budgets": 1024,
    "multi-turn": 384,
}
OTHER_THOUGHT_TOKENS = 256
# As much as the gateway keeps for an answer, whatever the thought would take.
ANSWER_TOKENS = 256
# A CPU takes its time over a vocabulary of this size.
TRIAL_LENGTHS = Lengths(64, 64)


def lengths(step: Step) -> Lengths:
    """Return the fixed lengths of a step's outputs."""
    workload = step.scenario.partition("/")[0]
    return Lengths(THOUGHT_TOKENS.get(workload, OTHER_THOUGHT_TOKENS), ANSWER_TOKENS)


def next_step(
    plan: Sequence[Step], done: Collection[str], failures: Mapping[str, Sequence[str]]
) -> Step | None:
    """Return the step to play now: the first that never failed, then those that may once more."""
    for allowed in range(MAX_FAILURES):
        for step in plan:
            if step.name not in done and len(failures.get(step.name, ())) <= allowed:
                return step
    return None


def missing(plan: Iterable[Step], done: Collection[str]) -> list[str]:
    """Name the steps that have not been measured."""
    return [step.name for step in plan if step.name not in done]


def too_many_users(plan: Iterable[Step], most: int) -> dict[str, str]:
    """Name the steps whose users the engine would turn away, and say why."""
    reason = f"the engine lets in {most} requests at a time"
    return {step.name: reason for step in plan if step.users > most}


def chosen(names: str | None) -> tuple[Step, ...]:
    """Return the steps of a list with commas, in the plan's order; raises NotDone."""
    if names is None:
        return PLAN
    known = [step.name for step in PLAN]
    asked = names.split(",")
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise NotDone(f"--steps names {name!r}, which is no step.", f"Did you mean {near}?")
    return tuple(step for step in PLAN if step.name in asked)


def seed(step: Step) -> int:
    """Return a seed of the step's own: no prompt is in the prefix cache from another step."""
    return FIRST_SEED + PLAN.index(step)
