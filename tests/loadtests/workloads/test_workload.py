"""Kinds take turns with the same questions, and what does not fit is left out by name."""

import logging
import random
from dataclasses import replace
from itertools import islice

import pytest

from loadtests.failure import LoadError
from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.workloads.workload import Kind, Workload, fitting

SERVED = Served("m", "some-model", 1000)


def kind(name, prompt_tokens):
    """Return a kind whose questions are random numbers."""

    def start(rng, served):
        while True:
            yield Prompt(name, ({"role": "user", "content": str(rng.random())},), 100)

    return Kind(name, prompt_tokens, 100, start)


def drawn(workload, served, count=6):
    """Return kind and question of the first prompts."""
    prompts = islice(workload.prompts(random.Random(1), served), count)
    return [(prompt.kind, prompt.messages[0]["content"]) for prompt in prompts]


def test_kinds_take_turns_with_the_same_questions():
    """Rows of the results compare."""
    asked = drawn(Workload((kind("a", 10), kind("b", 10))), SERVED)
    assert [name for name, _ in asked] == ["a", "b"] * 3
    assert [text for name, text in asked if name == "a"] == [
        text for name, text in asked if name == "b"
    ]
    assert len({text for _, text in asked}) == 3


def test_what_does_not_fit_is_left_out_and_named(caplog):
    """The warning says what is missing, how much it needs and how much there is."""
    caplog.set_level(logging.WARNING)
    asked = drawn(Workload((kind("small", 500), kind("too large", 1000))), SERVED)
    assert {name for name, _ in asked} == {"small"}
    [record] = caplog.records
    assert record.getMessage() == (
        "Left out: too large needs about 1,164 tokens, the context of some-model holds 1,000."
    )


def test_a_toy_model_is_asked_what_it_was_taught():
    """Other models are asked everything."""
    hard = replace(kind("hard", 10), toy=False)
    kept = fitting([kind("easy", 10), hard], Served("m", "tiny-qwen3-vl"))
    assert [each.name for each in kept] == ["easy"]
    assert fitting([hard], SERVED) == [hard]
    with pytest.raises(LoadError, match="hard is nothing that tiny-qwen3-vl was taught"):
        fitting([hard], Served("m", "tiny-qwen3-vl"))


def test_nothing_left_is_an_error():
    """It says how much is needed and how much there is."""
    said = "can be asked: one needs about 1,164 tokens, the context of some-model holds 1,000: take"
    with pytest.raises(LoadError, match=said):
        fitting([kind("one", 1000), kind("another", 2000)], SERVED)


def test_an_unknown_context_holds_everything():
    """Where the endpoint does not tell, it is asked everything."""
    kinds = [kind("huge", 10**9)]
    assert fitting(kinds, Served("m", "m")) == kinds
