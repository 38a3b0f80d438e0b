"""Requests as they are written down: what each way to end counts, and what it costs."""

import json

import pytest

from serving.gateway.journal import Journal
from serving.gateway.metrics.inter_token import InterTokenTimes
from serving.gateway.stream import StreamScan
from serving.gateway.timeline import Stage
from tests.fake_engine import (
    DONE,
    UNARY,
    delta_event,
    raw,
    slow_first_byte,
    stall,
    stream,
    usage_event,
    whole,
)

PRICES = {"prompt_price": 1000.0, "completion_price": 2000.0}  # USD per million
COUNTED = 11 * 1000 / 1e6 + 5 * 2000 / 1e6  # what the engine counts in usage_event and UNARY
TOKENS = [delta_event(reasoning="a"), delta_event(content="b")]
ROLE = delta_event(role="assistant", content="")
THOUGHT, SAID = TOKENS
IN_TIME = {"x-request-timeout": "300"}
TOO_SHORT = {"x-request-timeout": "0.5"}


def ended(gateway, wait_for, outcome: str) -> None:
    """Wait until the books have one chat that came to this end."""
    sign = f'gateway_requests_total{{route="chat_completions",outcome="{outcome}"'
    wait_for(lambda: gateway.metric(sign + "}") == 1)


@pytest.mark.parametrize(
    ("script", "streamed", "outcome", "cost"),
    [
        pytest.param(whole(UNARY), False, "ok", COUNTED, id="whole"),
        pytest.param(
            whole(UNARY.replace(b'"stop"', b'"abort"')), False, "engine_error", 0, id="broken off"
        ),
        pytest.param(
            stream([*TOKENS, delta_event("stop"), usage_event(), DONE]),
            True,
            "ok",
            COUNTED,
            id="stream",
        ),
        pytest.param(
            stream([*TOKENS, delta_event("abort"), usage_event(), DONE]),
            True,
            "engine_error",
            0,
            id="stream broken off",
        ),
        pytest.param(
            stream([*TOKENS, usage_event()], end=False),
            True,
            "engine_error",
            0,
            id="connection broken behind the count",
        ),
        pytest.param(raw(b""), True, "engine_unavailable", 0, id="engine gone"),
    ],
)
def test_only_what_was_finished_costs(
    engine, start_gateway, wait_for, script, streamed, outcome, cost
):
    """What the engine counted of an answer that it did not finish is not charged."""
    gateway = start_gateway(prices=PRICES)
    engine.play(script)
    gateway.chat(stream=streamed)
    ended(gateway, wait_for, outcome)
    assert gateway.metric("gateway_cost_usd_total") == pytest.approx(cost)
    assert gateway.metric("gateway_key_cost_usd_total") == pytest.approx(cost)


def test_leaving_between_the_count_and_the_end_costs_what_was_counted(
    engine, start_gateway, wait_for
):
    """A client that has seen the last token need not wait for the end mark; it pays all the same.

    The engine says 500 tokens of output, of which three events went by: no estimate is that much.
    """
    gateway = start_gateway(prices=PRICES)
    engine.play(stall([*TOKENS, delta_event("stop") + usage_event(completion=500)]))
    connection = gateway.connect()
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    read = b""
    while b'"stop"' not in read:
        read += response.read1()
    connection.close()
    ended(gateway, wait_for, "client_gone")
    assert gateway.metric("gateway_cost_usd_total") == pytest.approx(0.011 + 500 * 0.002)


@pytest.mark.parametrize(
    ("headers", "limit", "outcome", "verdict"),
    [
        pytest.param(TOO_SHORT, None, "client_deadline", "cancelled", id="the client's own"),
        pytest.param(TOO_SHORT, 300, "client_deadline", "cancelled", id="below the server's"),
        pytest.param(IN_TIME, 0.5, "timeout", "failed", id="above the server's"),
        pytest.param({}, 0.5, "timeout", "failed", id="the server's"),
    ],
)
def test_who_wanted_no_more_pays_for_what_came(
    engine, start_gateway, wait_for, headers, limit, outcome, verdict
):
    """A client's own deadline is its leaving, with the same price; the server's is a failure."""
    gateway = start_gateway(prices=PRICES, max_request_seconds=limit)
    engine.play(stall(TOKENS))
    answer = gateway.chat(headers, stream=True)
    assert b'"code":"deadline_exceeded"' in answer.body
    ended(gateway, wait_for, outcome)
    assert gateway.metric(f'gateway_key_requests_total{{verdict="{verdict}"}}') == 1
    paid = gateway.metric("gateway_cost_usd_total")
    assert paid >= 2 * 0.002 if verdict == "cancelled" else paid == 0


def test_a_whole_answer_nobody_waits_for_costs_its_prompt(engine, start_gateway, wait_for):
    """What the engine had made of it by then nobody knows."""
    gateway = start_gateway(prices=PRICES)
    engine.play(slow_first_byte(30, whole(UNARY)))
    question = [{"role": "user", "content": "x" * 4000}]
    assert gateway.chat(TOO_SHORT, messages=question).status == 504
    ended(gateway, wait_for, "client_deadline")
    assert gateway.metric('gateway_tokens_total{kind="prompt"}') >= 1000
    assert gateway.metric('gateway_tokens_total{kind="answer"}') == 0
    assert gateway.metric("gateway_cost_usd_total") >= 1.0


@pytest.mark.parametrize(
    ("pieces", "reasoning", "answer"),
    [
        pytest.param([], 0, 0, id="nothing came"),
        pytest.param([ROLE], 0, 0, id="no token came"),
        pytest.param([ROLE + THOUGHT, THOUGHT], 3, 0, id="in the thought"),
        pytest.param([THOUGHT, THOUGHT, SAID, SAID], 2, 2, id="in the answer"),
        pytest.param([ROLE, SAID], 0, 1, id="in an answer without a thought"),
    ],
)
def test_what_a_client_that_left_is_charged_for(pieces, reasoning, answer):
    """An event is a token of what was on then; before the first there is none."""
    journal = Journal("req_1", {}, InterTokenTimes())
    journal.record.admitted, journal.record.outcome = True, "client_gone"
    journal.enter(Stage.PREFILL)
    scan = StreamScan()
    journal.seen = scan.seen
    for piece in pieces:
        scan.feed(piece)
        journal.heard(scan.seen)
    record = journal.close()
    assert (record.reasoning_tokens, record.answer_tokens) == (reasoning, answer)
    assert record.estimated
