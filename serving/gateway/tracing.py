"""Traces: which requests are traced, what the engine is told of it, and where their spans go."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from serving.gateway.metrics.ledger import LedgerMetrics
from serving.gateway.record import Record
from serving.gateway.trace_context import Headers, Place, TraceContext, read_context
from serving.options import Settings

if TYPE_CHECKING:
    from serving.gateway.span_export import SpanExport

# A trace's id ends in 16 random hexadecimals; the share of them that is sampled lies below.
IDS: Final = 2**64


class Tracer:
    """Gives every request its place in a trace, and sends the spans of those that are sampled.

    It is off without gateway.otlp_traces_endpoint: then a client's context goes on to the engine
    as it came. `draw` returns so many random bytes.
    """

    def __init__(
        self, settings: Settings, metrics: LedgerMetrics, draw: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._draw = draw
        self._is_on = settings.gateway.otlp_traces_endpoint is not None
        self._bound = round(settings.gateway.traces_sample_rate * IDS)
        self._export: SpanExport | None = None

    async def open(self) -> None:
        """Get ready to send spans."""
        endpoint = self._settings.gateway.otlp_traces_endpoint
        if endpoint is None:
            return
        from serving.gateway.span_export import SpanExport  # noqa: PLC0415 — time and memory that
        from serving.gateway.spans import SpanMaker  # noqa: PLC0415 — most gateways do not spend

        maker = SpanMaker(self._settings)
        self._export = SpanExport(endpoint, maker, self._metrics.spans_dropped)

    async def close(self) -> None:
        """Send what is left."""
        if self._export is not None:
            await self._export.close()

    def begin(self, headers: Headers) -> "RequestTrace":
        """Return the trace of a request, by its headers."""
        return RequestTrace(self, self._place(headers))

    def end(self, record: Record, place: Place) -> None:
        """Send the spans of a request for an answer, by a key that was found good."""
        if self._export is not None and record.generates and record.known:
            self._export.send(record, place)

    def _place(self, headers: Headers) -> Place | None:
        """Return the client's place in a trace, or one in a new trace.

        Whether it is sampled is the client's word, else chance. The engine is told also where it
        is not: without a context it would sample by itself.
        """
        client = read_context(headers)
        if not self._is_on or (client is not None and not client.sampled):
            return None if client is None else Place(client)
        drawn = self._draw(32).hex()
        span_id, engine_span_id = drawn[32:48], drawn[48:]
        if client is not None:
            return Place(client.within(engine_span_id), span_id, client)
        sampled = int(drawn[16:32], 16) < self._bound
        context = TraceContext.of(drawn[:32], engine_span_id, sampled=sampled)
        return Place(context, span_id if sampled else "")


class RequestTrace:
    """One request's trace: what the engine is told, and the book of its spans."""

    __slots__ = ("_place", "_tracer")
    name = "traces"

    def __init__(self, tracer: Tracer, place: Place | None) -> None:
        self._tracer = tracer
        self._place = place

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the engine gets."""
        return {} if self._place is None else self._place.context.headers

    def enter(self, record: Record) -> None:
        """Send the request's spans, where it is traced."""
        if self._place is not None and self._place.span_id:
            self._tracer.end(record, self._place)
