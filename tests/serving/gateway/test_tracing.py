"""Traces through a whole gateway: which requests, what the engine is told, and what leaves."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.gateway.metrics import GatewayMetrics
from serving.gateway.trace_context import TraceContext, read_context
from serving.gateway.tracing import Tracer
from serving.options import GatewaySettings, Settings
from tests.fake_engine import (
    DONE,
    FakeEngine,
    answer_events,
    delta_event,
    refusal,
    stall,
    stream,
    usage_event,
)
from tests.otlp import Collector, Span, collector
from tests.serving.gateway.canary import Canaries
from tests.serving.gateway.conftest import CHAT, RunningGateway

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
ENDPOINT = "http://127.0.0.1:9/v1/traces"
QUESTION = json.dumps(CHAT | {"stream": True}).encode()
KEY = "sk-canary-key-of-the-test-0123456789ab"

StartTraced = Callable[..., RunningGateway]


@pytest.fixture(name="collected")
def _collected() -> Iterator[Collector]:
    with collector() as kept:
        yield kept


@pytest.fixture
def start_traced(
    collected: Collector,
    engine: FakeEngine,
    start_gateway: Callable[..., RunningGateway],
    monkeypatch: pytest.MonkeyPatch,
) -> StartTraced:
    """Start a gateway that traces all requests and tells the collector soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")

    def start(**options: Any) -> RunningGateway:
        usual = {"otlp_traces_endpoint": collected.url, "traces_sample_rate": 1.0}
        gateway = start_gateway(**usual | options)
        gateway.wait_ready()
        return gateway

    return start


def told_of(engine: FakeEngine) -> TraceContext | None:
    """Return the context that the engine was told."""
    return read_context([(n.encode(), v.encode()) for n, v in engine.last().headers.items()])


def by_name(spans: list[Span]) -> dict[str, Span]:
    """Return spans by their names."""
    return {span.name: span for span in spans}


def is_request(span: Span) -> bool:
    """Pick the spans of requests, which come last of their trace."""
    return span.kind == "SERVER"


def test_the_engines_span_will_hang_under_its_call(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """The engine was told the id of the call's span, before there was one."""
    answer = start_traced().chat(stream=True, headers={"tracestate": "lost=1"})
    collected.trace(1, is_request)
    spans = by_name(collected.spans)
    request, call = spans["chat tiny-qwen3-vl"], spans["engine"]

    told = told_of(engine)
    assert told is not None
    assert (told.trace_id, told.span_id) == (call.trace_id, call.span_id)
    assert told.sampled
    assert told.tracestate == ""
    assert call.parent_id == request.span_id
    assert request.parent_id == ""
    assert request.attributes["gateway.request.id"] == answer.headers["x-request-id"]
    assert request.service == "qwen3-vl-gateway"


def test_a_clients_trace_goes_through(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """The request's span is a child of the client's, and what others noted goes on."""
    headers = {"traceparent": SAMPLED, "tracestate": "vendor=1"}
    start_traced(traces_sample_rate=0).chat(stream=True, headers=headers)
    request = collected.trace(1, is_request)[0]

    assert (request.trace_id, request.parent_id) == (TRACE, CALLER)
    assert request.trace_state == "vendor=1"
    told = told_of(engine)
    assert told is not None
    assert (told.trace_id, told.tracestate, told.sampled) == (TRACE, "vendor=1", True)
    assert told.span_id not in {CALLER, request.span_id}


def test_what_a_client_does_not_sample_is_not(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """Its word holds against the share, and the engine hears it, too."""
    gateway = start_traced()
    gateway.chat(stream=True, headers={"traceparent": UNSAMPLED})
    told = told_of(engine)
    gateway.chat(stream=True)

    assert told == TraceContext(UNSAMPLED)
    assert collected.trace(1, is_request)[0].trace_id != TRACE


@pytest.mark.parametrize("sent", [{}, {"traceparent": "x"}, {"traceparent": SAMPLED[:-1]}])
def test_the_engine_is_told_not_to_sample_by_itself(
    start_traced: StartTraced, engine: FakeEngine, sent: dict[str, str]
) -> None:
    """Without a context, or after a malformed one, it would: vLLM samples all it is not told of."""
    start_traced(traces_sample_rate=0).chat(stream=True, headers=sent)

    told = told_of(engine)
    assert told is not None
    assert not told.sampled
    assert told.trace_id != TRACE


@pytest.mark.parametrize("sent", [SAMPLED, UNSAMPLED, "x", ""])
def test_without_a_collector_a_context_goes_on_as_it_came(
    gateway: RunningGateway, engine: FakeEngine, sent: str
) -> None:
    """A valid one reaches the engine unchanged; nothing else is added."""
    sending = {"traceparent": sent, "tracestate": "vendor=1", "baggage": "a=b"}
    gateway.chat(stream=True, headers=sending)

    headers = engine.last().headers
    valid = {"traceparent": sent, "tracestate": "vendor=1"} if sent in {SAMPLED, UNSAMPLED} else {}
    names = ("traceparent", "tracestate", "baggage")
    assert {name: headers[name] for name in names if name in headers} == valid


def test_spans_say_what_the_answer_says(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """Counts are the engine's, stages lie within the request, and all is one trace."""
    engine.play(stream(answer_events(), pause_seconds=0.05))
    start_traced().chat(stream=True, max_tokens=500)
    request = collected.trace(1, is_request)[0]
    spans = collected.trace(1, lambda span: span.trace_id == request.trace_id)

    said = request.attributes
    assert said["gen_ai.usage.input_tokens"] == 11
    assert said["gen_ai.usage.output_tokens"] == 5
    assert said["gen_ai.usage.reasoning.output_tokens"] == 3
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert said["gen_ai.request.max_tokens"] == 500
    assert said["gen_ai.request.stream"] is True
    assert said["http.response.status_code"] == 200
    assert said["gateway.outcome"] == "ok"
    assert 0 < said["gen_ai.response.time_to_first_chunk"] * 1e9 <= request.end - request.start
    assert {"received", "engine", "thinking", "answer"} <= set(by_name(spans))
    assert all(request.start <= span.start <= span.end <= request.end for span in spans)
    lasting = sum(span.end - span.start for span in spans if span.kind == "INTERNAL")
    assert lasting == request.end - request.start


def test_failures_have_their_type(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """Refused by the engine is a client's error; broken off is the server's."""
    gateway = start_traced()
    engine.play(refusal(400, "no"), stream([delta_event(content="a")], end=False))
    gateway.chat(stream=True)
    gateway.chat(stream=True)
    refused, broken = collected.trace(2, is_request)

    assert refused.attributes["http.response.status_code"] == 400
    assert refused.attributes["error.type"]
    assert not refused.failed
    assert broken.attributes["error.type"] == "engine_error"
    assert broken.failed


def test_only_answers_to_known_keys_are_traced(
    start_traced: StartTraced, collected: Collector
) -> None:
    """A stranger cannot fill the collector, not even by a header that says so; nor can a probe."""
    gateway = start_traced(api_keys=(KEY,))
    headers = {"traceparent": SAMPLED}
    gateway.chat(stream=True, headers=headers)
    gateway.request("GET", "/v1/models", headers=headers)
    gateway.request("GET", "/nowhere", headers=headers)
    gateway.chat(stream=True, headers=headers | {"authorization": f"Bearer {KEY}"})

    assert len(collected.trace(1, is_request)) == 1
    gateway.end()
    assert len(collected.trace(1, is_request)) == 1
    assert KEY.encode() not in b"".join(collected.bodies)


def test_no_text_of_a_client_is_in_a_span(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """Prompts, thoughts, answers, tools, pictures, keys, names and headers stay where they are."""
    canaries = Canaries()
    gateway = start_traced(api_keys=(canaries["bearer"],))
    scripts = [
        stream([*canaries.events(), usage_event(), DONE]),
        stream([*canaries.events(), canaries.failed_event()]),
        refusal(400, canaries["engine_error"]),
    ]
    for script in scripts:
        engine.play(script)
        headers = canaries.headers()
        del headers["x-api-key"]
        gateway.chat(headers=headers, **canaries.chat(stream=True))

    collected.trace(len(scripts), is_request)
    assert canaries["prompt"].encode() in engine.requests[-1].body
    sent = b"".join(collected.bodies)
    assert b"chat tiny-qwen3-vl" in sent
    assert canaries.found_in(sent) == set()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 1.0])
def test_the_share_is_sampled_by_chance(share: float) -> None:
    """Of 20,000 requests it is off by no more than six standard deviations; each id is random."""
    settings = Settings(
        gateway=GatewaySettings(otlp_traces_endpoint=ENDPOINT, traces_sample_rate=share)
    )
    tracer, many = Tracer(settings, GatewayMetrics().ledger), 20_000
    told = [tracer.begin([]).headers["traceparent"] for _ in range(many)]
    sampled = sum(parent.endswith("-03") for parent in told)

    assert abs(sampled - share * many) <= 6 * (many * share * (1 - share)) ** 0.5
    assert sampled + sum(parent.endswith("-02") for parent in told) == many
    assert len({parent[3:35] for parent in told}) == many


def test_a_lost_client_is_told_as_such(
    start_traced: StartTraced, engine: FakeEngine, collected: Collector
) -> None:
    """Its span ends when it has gone; nobody failed."""
    gateway = start_traced()
    engine.play(stall(answer_events()[:2]))
    connection = gateway.connect()
    connection.request("POST", "/v1/chat/completions", QUESTION, {"traceparent": SAMPLED})
    connection.getresponse()
    connection.close()

    request = collected.trace(1, is_request)[0]
    assert request.attributes["error.type"] == request.attributes["gateway.outcome"]
    assert request.attributes["gateway.outcome"] == "client_gone"
    assert not request.failed


def test_the_end_sends_what_waits(
    start_traced: StartTraced, collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that ends in the middle of a batch's delay loses no span."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    gateway = start_traced()
    gateway.chat(stream=True)
    assert collected.spans == []
    gateway.end()

    assert len(collected.trace(1, is_request)) == 1
