"""Budgets are compared over the same questions."""

import random
from itertools import islice

from loadtests.scenario import Served
from loadtests.workloads.thinking import BUDGETED, LONG


def test_every_budget_gets_the_same_questions():
    """In the same order, and only the budget differs."""
    prompts = list(islice(BUDGETED.prompts(random.Random(1), Served("m", "m")), 50))
    rounds = [prompts[start : start + 5] for start in range(0, 50, 5)]
    for asked in rounds:
        assert [p.kind for p in asked] == [
            *("budget 32", "budget 128", "budget 512", "budget 2048", "usual budget"),
        ]
        assert [p.parameters.get("thinking_token_budget") for p in asked] == [
            *(32, 128, 512, 2048, None),
        ]
        assert len({p.messages[0]["content"] for p in asked}) == 1
        assert len({p.max_tokens for p in asked}) == 1
    assert len({asked[0].messages[0]["content"] for asked in rounds}) > 5


def test_puzzles_are_for_long_contexts():
    """A toy model only counts."""
    kinds = [
        {p.kind for p in islice(LONG.prompts(random.Random(1), Served("m", "m", tokens)), 10)}
        for tokens in (16_384, 32_768)
    ]
    assert kinds == [{"count aloud"}, {"count aloud", "puzzle"}]
