"""Outputs of a fixed length, for a model whose weights mean nothing: it never ends by itself."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtests.prompt import Prompt
from loadtests.scenario import Scenario, Served

# What would end an output before its length.
ENDING = ("response_format", "stop")
BUDGET = "thinking_token_budget"


@dataclass(frozen=True, slots=True)
class FixedLengths:
    """Tokens of each output. The text that ends a thought over budget counts as thought, too."""

    thought_tokens: int
    answer_tokens: int

    def scenario(self, scenario: Scenario) -> Scenario:
        """Return the scenario with the same questions, and outputs of these lengths."""

        def prompts(rng: random.Random, served: Served) -> Iterator[Prompt]:
            return map(self.prompt, scenario.prompts(rng, served))

        return replace(scenario, prompts=prompts)

    def prompt(self, prompt: Prompt) -> Prompt:
        """Return the same question, a budget that it has kept; no answer is right or wrong."""
        kept = {name: value for name, value in prompt.parameters.items() if name not in ENDING}
        kept.setdefault(BUDGET, self.thought_tokens)
        return replace(
            prompt, max_tokens=kept[BUDGET] + self.answer_tokens, right=None, parameters=kept
        )
