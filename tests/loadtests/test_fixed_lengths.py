"""Tests of outputs whose length is fixed from outside."""

import random
from itertools import islice

from loadtests.fixed_lengths import FixedLengths
from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.scenarios import SCENARIOS

FIXED = FixedLengths(thought_tokens=300, answer_tokens=256)
SERVED = Served("random", "random")


def test_every_output_is_as_long():
    """Budget and maximum follow from the two lengths; nothing is right any more."""
    prompt = Prompt("chat", ({"role": "user", "content": "Hi"},), 8, right=lambda *_: True)
    fixed = FIXED.prompt(prompt)
    assert (fixed.kind, fixed.messages, fixed.right) == ("chat", prompt.messages, None)
    assert fixed.max_tokens == 556
    assert fixed.parameters == {"thinking_token_budget": 300}


def test_what_ends_an_output_is_left_out():
    """A form or a stop would; tools are part of the prompt, and a budget is the question."""
    parameters = {
        "response_format": {"type": "json_object"},
        "stop": ["."],
        "tools": ["one"],
        "thinking_token_budget": 32,
    }
    fixed = FIXED.prompt(Prompt("json", (), 2048, parameters=parameters))
    assert fixed.parameters == {"tools": ["one"], "thinking_token_budget": 32}
    assert fixed.max_tokens == 288


def test_a_scenario_asks_the_same_questions():
    """In the same order, under the same name."""
    usual = SCENARIOS["thinking-budgets"]
    fixed = FIXED.scenario(usual)
    before = list(islice(usual.prompts(random.Random(7), SERVED), 10))
    after = list(islice(fixed.prompts(random.Random(7), SERVED), 10))
    assert fixed.name == usual.name
    assert [prompt.messages for prompt in after] == [prompt.messages for prompt in before]
    assert [prompt.max_tokens for prompt in after] == [288, 384, 768, 2304, 556] * 2
