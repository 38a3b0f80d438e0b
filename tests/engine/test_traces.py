"""Traces of gateway and engine together: one trace from the client's span to the engine's own."""

import secrets
from typing import Any

from tests.engine.conftest import Endpoint
from tests.otlp import Collector, Span
from tests.serving.gateway.canary import Canaries

# What vLLM calls the span of a request.
ENGINE_SPAN = "llm_request"
# The gateway's, which is the last of a request to be sent.
REQUEST_SPAN = "chat tiny-qwen3-vl"


def ask(endpoint: Endpoint, flags: str) -> tuple[str, str, dict[str, Any]]:
    """Ask a question within a trace; return the trace's id, the caller's span, and the usage."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    question = {"role": "user", "content": "What is 2 + 3?"}
    answer = endpoint.http.post(
        f"{endpoint.url}/v1/chat/completions",
        json={"model": "tiny-qwen3-vl", "messages": [question]},
        headers={"traceparent": f"00-{trace_id}-{span_id}-{flags}"},
    )
    return trace_id, span_id, answer.raise_for_status().json()["usage"]


def named(spans: list[Span], name: str) -> Span:
    """Return the one span of a name."""
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, [span.name for span in spans]
    return found[0]


def test_gateway_and_engine_are_in_one_trace(endpoint: Endpoint, collected: Collector) -> None:
    """The engine's span hangs under the gateway's call of it, and counts the same tokens."""
    trace_id, caller, usage = ask(endpoint, "01")
    collected.trace(1, lambda span: span.trace_id == trace_id and span.name == ENGINE_SPAN)
    collected.trace(1, lambda span: span.trace_id == trace_id and span.name == REQUEST_SPAN)
    spans = collected.trace(1, lambda span: span.trace_id == trace_id)
    request, call = named(spans, REQUEST_SPAN), named(spans, "engine")
    within = named(spans, ENGINE_SPAN)

    assert request.parent_id == caller
    assert call.parent_id == request.span_id
    assert within.parent_id == call.span_id
    assert (request.service, within.service) == ("qwen3-vl-gateway", "qwen3-vl-engine")
    assert request.attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert request.attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert within.attributes["gen_ai.usage.prompt_tokens"] == usage["prompt_tokens"]
    assert within.attributes["gen_ai.usage.completion_tokens"] == usage["completion_tokens"]


def test_what_is_not_sampled_is_traced_by_neither(endpoint: Endpoint, collected: Collector) -> None:
    """The gateway decides for both: the engine would sample every request by itself."""
    unsampled, _, _ = ask(endpoint, "00")
    sampled, _, _ = ask(endpoint, "01")
    collected.trace(1, lambda span: span.trace_id == sampled and span.name == ENGINE_SPAN)
    collected.trace(1, lambda span: span.trace_id == sampled and span.name == REQUEST_SPAN)

    assert not [span for span in collected.spans if span.trace_id == unsampled]


def test_no_word_of_a_request_is_in_a_span(endpoint: Endpoint, collected: Collector) -> None:
    """Neither the gateway's spans nor the engine's repeat what was asked or said."""
    canaries, trace_id = Canaries(), secrets.token_hex(16)
    headers = canaries.headers() | {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    request = canaries.chat(max_tokens=16)
    endpoint.http.post(
        f"{endpoint.url}/v1/chat/completions", json=request, headers=headers
    ).raise_for_status()
    collected.trace(1, lambda span: span.trace_id == trace_id and span.name == ENGINE_SPAN)
    collected.trace(1, lambda span: span.trace_id == trace_id and span.name == REQUEST_SPAN)

    assert canaries.found_in(b"".join(collected.bodies)) == set()
