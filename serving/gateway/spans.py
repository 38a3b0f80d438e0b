"""From a finished record to its spans: the request, within it the engine's call and each stage."""

from functools import partial
from typing import Final, NamedTuple

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from serving import __version__
from serving.gateway.record import Record
from serving.gateway.span_attributes import (
    engine_place,
    gateway_place,
    request_attributes,
    span_name,
)
from serving.gateway.timeline import Stage
from serving.gateway.trace_context import Place, TraceContext
from serving.options import Settings

SERVICE: Final = "qwen3-vl-gateway"
# What the engine's call consists of; all before is spent in the gateway.
AT_ENGINE: Final = frozenset(
    {Stage.PREPROCESSING, Stage.ENGINE_QUEUE, Stage.PREFILL, Stage.THINKING, Stage.ANSWER}
)
FAILED: Final = Status(StatusCode.ERROR)


class Part(NamedTuple):
    """A stretch of a request's time, from and to in ns since 1970."""

    stage: Stage
    start: int
    end: int


class SpanMaker:
    """Makes the spans of one gateway."""

    def __init__(self, settings: Settings) -> None:
        self._gateway, self._engine = gateway_place(settings), engine_place(settings)
        self._draw_id = RandomIdGenerator().generate_span_id
        own = Resource.create({"service.name": SERVICE, "service.version": __version__})
        # A tracer would choose a span's id itself, and after the engine has to be told of it.
        self._span = partial(
            ReadableSpan,
            # What the operator says in OpenTelemetry's own variables wins.
            resource=own.merge(OTELResourceDetector().detect()),
            instrumentation_scope=InstrumentationScope("serving.gateway", __version__),
        )

    def make(self, record: Record, place: Place) -> list[ReadableSpan]:
        """Return a request's spans, its own the last; the engine's will hang under its call's."""
        request = _span_context(place.context.within(place.span_id))
        parts = lay_out(record)
        root = self._span(
            span_name(record),
            request,
            None if place.parent is None else _span_context(place.parent, is_remote=True),
            kind=SpanKind.SERVER,
            attributes={**request_attributes(record), **self._gateway},
            status=FAILED if record.verdict == "failed" else Status(),
            start_time=parts[0].start,
            end_time=parts[-1].end,
        )
        at_engine = [part for part in parts if part.stage in AT_ENGINE]
        if not at_engine:
            return [*self._stages(request, parts), root]
        engine = _span_context(place.context)
        call = self._span(
            "engine",
            engine,
            request,
            kind=SpanKind.CLIENT,
            attributes=self._engine,
            start_time=at_engine[0].start,
            end_time=at_engine[-1].end,
        )
        before = parts[: -len(at_engine)]
        return [*self._stages(request, before), *self._stages(engine, at_engine), call, root]

    def _stages(self, above: SpanContext, parts: list[Part]) -> list[ReadableSpan]:
        return [
            self._span(
                part.stage.value,
                SpanContext(
                    above.trace_id, self._draw_id(), False, above.trace_flags, above.trace_state
                ),
                above,
                start_time=part.start,
                end_time=part.end,
            )
            for part in parts
        ]


def lay_out(record: Record) -> list[Part]:
    """Lay a request's stages one after the other, in their order; the last ends with it."""
    at, parts = round(record.time * 1e9), []
    for stage in Stage:
        if seconds := record.stages.get(stage):
            parts.append(Part(stage, at, at := at + round(seconds * 1e9)))
    return parts


def _span_context(context: TraceContext, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote,
        TraceFlags(context.flags),
        TraceState.from_header([context.tracestate]),
    )
