"""Spans of a record: their tree, their times, and names that OpenTelemetry knows."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
)
from opentelemetry.trace import SpanKind, StatusCode

from serving.gateway.record import OUTCOMES, Record
from serving.gateway.span_attributes import engine_place, request_attributes
from serving.gateway.spans import AT_ENGINE, SpanMaker
from serving.gateway.timeline import Stage
from serving.gateway.trace_context import Place, TraceContext
from serving.options import EngineSettings, GatewaySettings, Settings
from tests.serving import used

TRACE, ENGINE_SPAN, REQUEST_SPAN, CALLER = "a" * 32, "b" * 16, "c" * 16, "d" * 16
PLACE = Place(TraceContext.of(TRACE, ENGINE_SPAN, sampled=True), REQUEST_SPAN)
CALLED = PLACE._replace(parent=TraceContext(f"00-{TRACE}-{CALLER}-01", "vendor=1"))
SETTINGS = Settings(
    engine=EngineSettings(listen="/run/serving/engine.sock"),
    gateway=GatewaySettings(host="10.0.0.1", port=8000),
)
# In the conventions' own repository, and not in the released package yet.
COMING = {"gen_ai.usage.image.input_tokens", "gen_ai.usage.video.input_tokens"}
SECONDS = st.floats(0, 1000)


def record(**fields: Any) -> Record:
    """Return a record of a whole answer that thought."""
    usual: dict[str, Any] = {
        "time": 1_790_000_000.25,
        "max_tokens": 4096,
        "thinking_token_budget": 3276,
        "prompt_tokens": 90,
        "cached_tokens": 16,
        "image_tokens": 49,
        "reasoning_tokens": 30,
        "answer_tokens": 7,
        "cost": 0.25,
        "first_token_seconds": 0.5,
        "stages": dict.fromkeys(Stage, 0.5),
    }
    return msgspec.structs.replace(used.record("req_1"), **usual | fields)


def spans_of(of: Record, place: Place = PLACE) -> dict[str, ReadableSpan]:
    """Return a record's spans by their names."""
    return {span.name: span for span in SpanMaker(SETTINGS).make(of, place)}


def hexadecimal(span_id: int) -> str:
    """Write a span's id."""
    return f"{span_id:016x}"


def test_the_tree_is_request_engine_stages() -> None:
    """The engine's call holds the stages that are spent there, the request all others."""
    spans = spans_of(record(), CALLED)
    request, engine = spans["chat tiny-qwen3-vl"], spans["engine"]

    assert len(spans) == 2 + len(Stage)
    assert {span.context.trace_id for span in spans.values()} == {int(TRACE, 16)}
    assert len({span.context.span_id for span in spans.values()}) == len(spans)
    assert hexadecimal(request.context.span_id) == REQUEST_SPAN
    assert hexadecimal(engine.context.span_id) == ENGINE_SPAN
    assert request.parent is not None
    assert (hexadecimal(request.parent.span_id), request.parent.is_remote) == (CALLER, True)
    assert (request.kind, engine.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert engine.parent == request.context
    for stage in Stage:
        assert spans[stage].parent == (engine if stage in AT_ENGINE else request).context
    assert dict(engine.attributes or {}) == {
        "server.address": "/run/serving/engine.sock",
        "network.transport": "unix",
    }


@given(st.dictionaries(st.sampled_from(Stage), SECONDS, min_size=1))
def test_stages_follow_each_other_and_fill_their_parents(stages: dict[Stage, float]) -> None:
    """None overlaps and none is missing; those of no time are left out."""
    stages[Stage.RECEIVED] = 0.001
    of = record(stages=stages)
    spans = spans_of(of)
    parts = [spans[stage] for stage in Stage if stage in spans]

    assert [span.name for span in parts] == [stage for stage in Stage if stages.get(stage)]
    for before, after in itertools.pairwise(parts):
        assert before.end_time == after.start_time
    request = spans["chat tiny-qwen3-vl"]
    assert request.start_time == round(of.time * 1e9)
    assert (request.start_time, request.end_time) == (parts[0].start_time, parts[-1].end_time)
    within = [span for span in parts if span.name in AT_ENGINE]
    assert ("engine" in spans) is bool(within)
    if within:
        call = spans["engine"]
        assert (call.start_time, call.end_time) == (within[0].start_time, within[-1].end_time)
    for span in parts:
        assert span.end_time - span.start_time == round(stages[Stage(span.name)] * 1e9)


def test_a_request_says_what_its_record_says() -> None:
    """Counts and times are the record's, by their names in the conventions."""
    request = spans_of(record())["chat tiny-qwen3-vl"]

    assert dict(request.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny-qwen3-vl",
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "tiny-qwen3-vl",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 90,
        "gen_ai.usage.output_tokens": 37,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "gen_ai.usage.reasoning.output_tokens": 30,
        "gen_ai.usage.image.input_tokens": 49,
        "gen_ai.usage.video.input_tokens": 0,
        "http.response.status_code": 200,
        "server.address": "10.0.0.1",
        "server.port": 8000,
        "gateway.request.id": "req_1",
        "gateway.route": "chat_completions",
        "gateway.dialect": "openai",
        "gateway.key": "alice",
        "gateway.outcome": "ok",
        "gateway.thinking_token_budget": 3276,
        "gateway.usage.estimated": False,
        "gateway.cost_usd": 0.25,
        "gateway.budget_hit": False,
        "gateway.truncated_in_thinking": False,
        "gateway.running_sequences": 0,
        "gateway.kv_cache_usage": 0.0,
    }
    assert request.status.status_code is StatusCode.UNSET
    assert request.resource.attributes["service.name"] == "qwen3-vl-gateway"


def test_names_are_those_of_the_installed_conventions() -> None:
    """What is not called gateway's own is in OpenTelemetry's list, so that backends know it."""
    packages = (
        gen_ai_attributes,
        error_attributes,
        http_attributes,
        network_attributes,
        server_attributes,
    )
    known = {
        value for package in packages for value in vars(package).values() if isinstance(value, str)
    }
    told = request_attributes(record(error="x", outcome="engine_error", choices=2))
    names = {*told, *engine_place(SETTINGS), "server.port"}

    assert {name for name in names if not name.startswith("gateway.")} - known == COMING


@pytest.mark.parametrize(
    ("outcome", "error", "said", "failed"),
    [
        ("ok", None, None, False),
        ("client_gone", None, "client_gone", False),
        ("rate_limited", "rate_limit_exceeded", "rate_limit_exceeded", False),
        ("engine_error", "engine_error", "engine_error", True),
        ("timeout", "deadline_exceeded", "deadline_exceeded", True),
    ],
)
def test_an_error_has_its_type(
    outcome: str, error: str | None, said: str | None, failed: bool
) -> None:
    """The code that the client was told; only what the server failed marks the span as failed."""
    of = record(outcome=outcome, error=error)
    request = spans_of(of)["chat tiny-qwen3-vl"]

    assert (request.attributes or {}).get("error.type") == said
    assert (request.status.status_code is StatusCode.ERROR) is failed is (of.verdict == "failed")
    assert outcome in OUTCOMES


def test_who_never_came_to_the_engine_has_no_call_and_no_usage() -> None:
    """A refused request tells what it asked for and where its time went."""
    stages = {Stage.RECEIVED: 0.1, Stage.ADMITTED: 0.1, Stage.QUEUED: 30.0}
    spans = spans_of(record(stages=stages, admitted=False, model="", status=429))

    assert set(spans) == {"chat", "received", "admitted", "queued"}
    told = spans["chat"].attributes or {}
    assert "gen_ai.request.model" not in told
    assert not [name for name in told if "usage" in name or "response.model" in name]


@pytest.mark.parametrize(
    ("route", "operation"),
    [
        ("chat_completions", "chat"),
        ("completions", "text_completion"),
        ("messages", "chat"),
        ("responses", "chat"),
    ],
)
def test_the_operation_is_by_the_route(route: str, operation: str) -> None:
    """By OpenTelemetry's own list of operations."""
    *_, span = spans_of(record(route=route)).values()

    assert span.name == f"{operation} tiny-qwen3-vl"
    assert (span.attributes or {})["gen_ai.operation.name"] == operation
    assert operation in {each.value for each in gen_ai_attributes.GenAiOperationNameValues}


def test_an_engine_on_tcp_is_told_by_host_and_port() -> None:
    """For debugging it may listen there."""
    settings = Settings(engine=EngineSettings(listen="tcp://127.0.0.1:8100"))

    assert engine_place(settings) == {
        "server.address": "127.0.0.1",
        "server.port": 8100,
        "network.transport": "tcp",
    }


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variables win: operators set them for all their services alike."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "vision")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab")
    named = spans_of(record())["engine"].resource.attributes

    assert named["service.name"] == "vision"
    assert named["deployment.environment.name"] == "lab"
