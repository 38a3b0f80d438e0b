"""Questions that make a model think: long thoughts, and the same thoughts under budgets."""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.workloads.questions import Question, counting, puzzle
from loadtests.workloads.workload import Kind, Workload

COUNT_TOKENS: Final = 4096
PUZZLE_TOKENS: Final = 16384
BUDGETS: Final = (32, 128, 512, 2048)
QUESTION_TOKENS: Final = 64

Asked = Callable[[random.Random], Question]


def thought(name: str, ask: Asked, max_tokens: int, **parameters: Any) -> Kind:
    """Return a kind that asks one question after another."""

    def start(rng: random.Random, served: Served) -> Iterator[Prompt]:
        while True:
            question = ask(rng)
            yield Prompt(
                name,
                ({"role": "user", "content": question.text},),
                max_tokens,
                right=question.right,
                parameters=parameters,
            )

    return Kind(name, QUESTION_TOKENS, max_tokens, start)


# A puzzle takes a real model thousands of tokens. A toy model with a short context gets none.
LONG: Final = Workload(
    (thought("count aloud", counting, COUNT_TOKENS), thought("puzzle", puzzle, PUZZLE_TOKENS))
)
# By vLLM's name of the budget, which the gateway takes as well.
BUDGETED: Final = Workload(
    (
        *(
            thought(f"budget {budget}", counting, COUNT_TOKENS, thinking_token_budget=budget)
            for budget in BUDGETS
        ),
        thought("usual budget", counting, COUNT_TOKENS),
    )
)
