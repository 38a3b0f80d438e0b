"""A tool loop's second turn carries the right call and its result."""

import json
import random
from itertools import islice

from loadtests.scenario import Served
from loadtests.workloads.tools import LOOP


def test_the_result_follows_the_call_that_is_right():
    """Both turns of a conversation offer the same tools and begin alike."""
    prompts = list(islice(LOOP.prompts(random.Random(1), Served("m", "m")), 40))
    assert LOOP.rows == ("tool call", "tool result")
    for first, second in zip(prompts[0::2], prompts[1::2], strict=True):
        assert (first.kind, first.turn, second.kind, second.turn) == (
            "tool call",
            0,
            "tool result",
            1,
        )
        assert first.conversation == second.conversation
        assert second.messages[:1] == first.messages
        assert first.parameters == second.parameters
        call, result = second.messages[1]["tool_calls"][0], second.messages[2]
        assert first.right("", json.dumps([call]))
        assert json.loads(call["function"]["arguments"])["city"] in first.messages[0]["content"]
        assert result["tool_call_id"] == call["id"]
        assert second.right(f"It is {result['content']}.", "[]")
    assert [p.conversation for p in prompts[0::2]] == list(range(20))
