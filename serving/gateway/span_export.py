"""The way of spans to a collector: behind the requests' backs, bounded, every loss counted."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter

from serving.gateway.record import Record
from serving.gateway.spans import SpanMaker
from serving.gateway.trace_context import Place
from serving.logs import Complaints
from serving.store.daemon_thread import in_daemon_thread

logger = logging.getLogger(__name__)

MAX_WAITING_SPANS: Final = 2048
CLOSE_SECONDS: Final = 1.5


class SpanExport:
    """Sends spans in batches from a thread of its own.

    Headers, certificates, compression, timeout and the batches' delay are those of OpenTelemetry's
    own variables, such as OTEL_EXPORTER_OTLP_HEADERS.
    """

    def __init__(self, endpoint: str, maker: SpanMaker, dropped: Counter) -> None:
        # It tells of every attempt, in words that may be the collector's.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._make = maker.make
        self._losses = Losses(dropped)
        self._collector = Collector(endpoint, self._losses)
        self._sender = BatchSpanProcessor(self._collector, max_queue_size=MAX_WAITING_SPANS)
        self._taken = 0

    @property
    def waiting(self) -> int:
        """Return how many spans are neither sent nor given up."""
        return self._taken - self._collector.settled

    def send(self, record: Record, place: Place) -> None:
        """Take all spans of a request, or none of them where too many wait."""
        spans = self._make(record, place)
        if self.waiting + len(spans) > MAX_WAITING_SPANS:
            self._losses.add(len(spans), "too many wait for the collector")
            return
        self._taken += len(spans)
        for span in spans:
            self._sender.on_end(span)

    async def close(self) -> None:
        """Send what is left, but not for long."""
        sent = in_daemon_thread(self._sender.shutdown, "span-export-end")
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await sent
        except TimeoutError:
            self._losses.add(self.waiting, "the collector did not take them before the end")
            self._collector.shutdown()


class Losses:
    """Spans that no collector took: counted, and complained about once a minute."""

    def __init__(self, dropped: Counter) -> None:
        self._dropped = dropped
        self._complaints = Complaints()

    def add(self, count: int, reason: str) -> None:
        """Count so many."""
        self._dropped.inc(count)
        if self._complaints.due():
            logger.warning("%d spans are lost: %s (gateway.otlp_traces_endpoint)", count, reason)


class Collector(SpanExporter):
    """The collector, as the sender's thread sees it."""

    def __init__(self, endpoint: str, losses: Losses) -> None:
        session = requests.Session()
        session.hooks["response"].append(self._note)
        self._exporter: SpanExporter = OTLPSpanExporter(endpoint, session=session)
        self._losses = losses
        self._said = ""
        self.settled = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what the collector does not take in time is given up."""
        self._said = "the collector did not answer"
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._losses.add(len(spans), self._said)
        self.settled += len(spans)
        return result

    def shutdown(self) -> None:
        """Give up at once, also in the middle of an attempt."""
        self._exporter.shutdown()

    def _note(self, response: requests.Response, **_: Any) -> None:
        self._said = f"the collector answered {response.status_code}"
