"""Tests of the GPU curve's plan: what is measured, in which order, and what is left out."""

import pytest

from deploy.benchmarks.gpu_curve.plan import (
    PLAN,
    Step,
    Times,
    chosen,
    lengths,
    next_step,
    seed,
    too_many_users,
)
from loadtests.scenarios import find_scenario
from serving.failure import NotDone
from serving.gateway.budget import answer_reserve


def test_there_are_25_steps_of_eight_minutes():
    """All differ, and each leaves three minutes for the engine's start."""
    assert len(PLAN) == len({step.name for step in PLAN}) == len(set(map(seed, PLAN))) == 25
    assert Times().needed_seconds + 180 <= 8 * 60


def test_mixed_traffic_is_measured_at_every_concurrency():
    """The planner's curve runs over doublings, and its first step comes first."""
    assert sorted(step.users for step in PLAN if step.scenario == "mixed") == [
        1, 2, 4, 8, 16, 32, 64, 128,
    ]  # fmt: skip
    assert PLAN[0].scenario == "mixed"


@pytest.mark.parametrize("step", PLAN, ids=lambda step: step.name)
def test_fixed_lengths_leave_the_gateway_its_reserve(step: Step):
    """A thought that leaves too little for the answer would be a 400."""
    fixed = lengths(step)
    assert fixed.answer_tokens >= answer_reserve(fixed.thought_tokens + fixed.answer_tokens)


@pytest.mark.parametrize("step", PLAN, ids=lambda step: step.name)
def test_every_step_is_a_scenario(step: Step):
    """The load test knows it by that name."""
    assert find_scenario(step.scenario).kinds or step.scenario == "mixed"


@pytest.mark.parametrize(
    ("done", "failures", "expected"),
    [
        ("", {}, "a"),
        ("a", {}, "b"),
        ("b", {}, "a"),
        ("", {"a": ["x"]}, "b"),
        ("b", {"a": ["x"]}, "c"),
        ("bc", {"a": ["x"]}, "a"),
        ("bc", {"a": ["x", "y"]}, None),
        ("bc", {"a": ["x"], "b": ["x"]}, "a"),
        ("abc", {}, None),
        ("c", {"a": ["x", "y"], "b": ["x"]}, "b"),
    ],
)
def test_the_next_step(done: str, failures: dict[str, list[str]], expected: str | None):
    """New ones come first, failed ones once more after them, the same ones never again."""
    plan = tuple(Step(letter, 1) for letter in "abc")
    named = {f"{name}-1": said for name, said in failures.items()}
    found = next_step(plan, {f"{name}-1" for name in done}, named)
    assert (found and found.scenario) == expected


def test_steps_are_chosen_by_name():
    """In the plan's order; a wrong name is told the nearest one."""
    assert [step.name for step in chosen("mixed-64,mixed-16")] == ["mixed-16", "mixed-64"]
    assert chosen(None) == PLAN
    with pytest.raises(NotDone, match=r"mixd-16.*mean mixed-16"):
        chosen("mixd-16")


def test_users_that_the_engine_refuses_are_not_tried():
    """The limit itself still comes in."""
    plan = (Step("a", 64), Step("a", 65))
    assert list(too_many_users(plan, 64)) == ["a-65"]
