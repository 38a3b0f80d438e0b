"""The record of a request: every way to end has a verdict."""

import re
from pathlib import Path

import pytest

from serving.gateway import errors
from serving.gateway.answer import CompletionDetails, PromptDetails, Usage
from serving.gateway.errors import GatewayError
from serving.gateway.record import OUTCOMES, Record
from tests.fake_engine import DONE, delta_event, stall, stream, usage_event

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
        ("client_deadline", "cancelled"),
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
    assert (record.output_tokens, record.budget_hit) == (50, True)


def test_the_store_holds_no_text_of_a_request(engine, start_gateway, tmp_path, wait_for):
    """A canary in prompt, thought, answer, key and headers is in no byte of the ledger's files."""
    canary = "canary7391"
    store = tmp_path / "ledger.db"
    gateway = start_gateway(store_url=f"sqlite:///{store}", api_keys=[canary])
    engine.play(
        stream([delta_event(reasoning=canary), delta_event(content=canary), usage_event(), DONE]),
        stall([delta_event(reasoning=canary)]),
    )
    headers = {"authorization": f"Bearer {canary}", "x-custom": canary}
    question = [{"role": "user", "content": canary}]
    gateway.chat(headers, stream=True, messages=question)
    gateway.chat(headers, **{canary: 1})
    gateway.chat(headers | {"x-request-timeout": "0.2"}, stream=True, messages=question)
    wait_for(lambda: gateway.metric("gateway_ledger_rows_total") == 3)
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(b"chat_completions" in data for data in files)
    assert not any(canary.encode() in data for data in files)
