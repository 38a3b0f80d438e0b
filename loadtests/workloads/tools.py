"""A tool loop: a question that needs a tool, then the tool's result.

The second request does not wait for the answer to the first: it carries the call that is known to
be right. So prompts stay the same for the same seed, and an open loop can send them at any time.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.workloads.answers import Calls, Says
from loadtests.workloads.workload import Kind, Workload

CITIES: Final = (
    "Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo", "Berlin", "Madrid", "London",
    "Vienna", "Athens", "Dublin", "Lagos", "Quito", "Seoul", "Hanoi", "Accra", "Bern", "Boston",
)  # fmt: skip
FINDINGS: Final = {
    "weather": ("sunny", "rainy", "cloudy", "windy", "snowy"),
    "time": ("morning", "noon", "evening", "night"),
}
PROMPT_TOKENS: Final = 256
MAX_TOKENS: Final = 2048


class _Turn(NamedTuple):
    kind: str
    messages: tuple[Mapping[str, Any], ...]
    right: Callable[[str, str], bool]


def _tool(subject: str) -> Mapping[str, Any]:
    city = {"type": "string", "description": "City name"}
    return {
        "type": "function",
        "function": {
            "name": f"get_{subject}",
            "description": f"Get the {subject} of a city",
            "parameters": {"type": "object", "properties": {"city": city}, "required": ["city"]},
        },
    }


TOOLS: Final = tuple(map(_tool, FINDINGS))


def _turns(rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Yield question and result of one conversation after the other."""
    conversation = 0
    while True:
        subject, city = rng.choice(list(FINDINGS)), rng.choice(CITIES)
        finding = rng.choice(FINDINGS[subject])
        name, arguments = f"get_{subject}", {"city": city}
        asked = {"role": "user", "content": f"What is the {subject} in {city}?"}
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": f"call_{conversation}", "type": "function", "function": function}
        answered = (
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": finding},
        )
        turns = (
            _Turn("tool call", (asked,), Calls(name, arguments)),
            _Turn("tool result", (asked, *answered), Says((finding,))),
        )
        for number, turn in enumerate(turns):
            yield Prompt(
                turn.kind,
                turn.messages,
                MAX_TOKENS,
                right=turn.right,
                parameters={"tools": TOOLS},
                conversation=conversation,
                turn=number,
            )
        conversation += 1


LOOP: Final = Workload(
    (Kind("tool loop", PROMPT_TOKENS, MAX_TOKENS, _turns, rows=("tool call", "tool result")),)
)
