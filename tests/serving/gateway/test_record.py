"""The record of a request: every way to end has a verdict."""

import re
from pathlib import Path

import pytest

from serving.gateway import errors
from serving.gateway.answer import CompletionDetails, PromptDetails, Usage
from serving.gateway.errors import GatewayError
from serving.gateway.record import OUTCOMES, Record

GATEWAY = Path(errors.__file__).parent


def test_every_outcome_has_a_verdict():
    """The outcomes of all errors, of clients that are lost, and of a good end: no more, no less."""
    told = {"ok"} | {each.outcome for each in _all_errors(GatewayError)}
    sources = "".join(path.read_text() for path in GATEWAY.rglob("*.py"))
    told |= set(re.findall(r'ClientLost\("(\w+)"\)', sources))
    assert told == set(OUTCOMES)


def _all_errors(kind: type[GatewayError]) -> list[type[GatewayError]]:
    return [kind, *(inner for each in kind.__subclasses__() for inner in _all_errors(each))]


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("ok", "ok"),
        ("rate_limited", "refused"),
        ("client_gone", "cancelled"),
        ("engine_error", "failed"),
    ],
)
def test_a_verdict_is_about_the_server(outcome, verdict):
    """What a client did wrong, or wished, is no failure of the server."""
    assert Record(id="a", time=0.0, outcome=outcome).verdict == verdict


def test_the_engines_count_is_taken_over():
    """Thought and answer are the output; cached and picture tokens are parts of the prompt."""
    usage = Usage(
        prompt_tokens=100,
        completion_tokens=50,
        prompt_tokens_details=PromptDetails(60, {"image": 30, "video": 7}),
        completion_tokens_details=CompletionDetails(20),
        prompt_cost=0.1,
        completion_cost=0.2,
        reasoning_budget_hit=True,
    )
    record = Record(id="a", time=0.0)
    record.count(usage)
    assert record.tokens == {
        "prompt": 100,
        "cached": 60,
        "image": 30,
        "video": 7,
        "reasoning": 20,
        "answer": 30,
    }
    assert (record.output_tokens, record.cost, record.budget_hit) == (50, 0.3, True)
