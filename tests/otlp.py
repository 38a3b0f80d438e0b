"""A collector: takes OTLP over HTTP as OpenTelemetry's own does, and keeps the spans."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

# How long spans are waited for; no verdict hangs on when they come.
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Span:
    """One span as it arrived; ids are hexadecimals, times ns since 1970."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What arrived, and how the next batches are answered."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    go: threading.Event = field(default_factory=threading.Event)  # cleared, it lets batches wait

    def trace(self, count: int, wanted: Callable[[Span], bool] = lambda span: True) -> list[Span]:
        """Return such spans in the order of their beginning, as soon as there are so many."""
        give_up = time.monotonic() + WAIT_SECONDS
        while len(found := list(filter(wanted, self.spans))) < count:
            assert time.monotonic() < give_up, f"{len(found)} of {count} spans came"
            time.sleep(0.02)
        return sorted(found, key=lambda span: (span.start, -span.end))


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    kept = Collector()
    kept.go.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.bodies.append(body)
            kept.heads.append({name.lower(): value for name, value in self.headers.items()})
            kept.go.wait(WAIT_SECONDS)
            if kept.status == 200:
                kept.spans.extend(_spans(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            with suppress(ConnectionError):  # who sent it may not wait any more
                self.send_response(kept.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.send_header("retry-after", "3600")  # more patience than an attempt has
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield kept
        kept.go.set()
        server.shutdown()
        thread.join(WAIT_SECONDS)


def _spans(body: bytes) -> Iterator[Span]:
    for of_service in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _attributes(of_service.resource.attributes).get("service.name", "")
        for scope in of_service.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=service,
                    name=span.name,
                    kind=Sent.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    trace_state=span.trace_state,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    failed=span.status.code == 2,
                    attributes=_attributes(span.attributes),
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, str(kind))
