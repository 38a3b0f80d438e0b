"""Spans on their way: a collector that is down, slow or wrong costs spans, never a request."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

import pytest

from serving.gateway import span_export
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.span_export import MAX_WAITING_SPANS, Losses, SpanExport
from serving.gateway.spans import SpanMaker
from serving.options import Settings
from serving.ports import free_ports
from tests.fake_engine import WAIT_SECONDS, FakeEngine
from tests.otlp import Collector, collector
from tests.serving.gateway.conftest import RunningGateway
from tests.serving.gateway.test_spans import PLACE, record

RECORD = record()
# The spans of one request: itself, the engine's call and each stage.
SPANS = 2 + len(RECORD.stages)
TIMEOUT = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
# Too short for a second attempt.
SHORT = "0.3"
DROPPED = "gateway_spans_dropped_total"


@pytest.fixture(name="collected")
def _collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector that is told soon and waited for patiently."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv(TIMEOUT, str(WAIT_SECONDS))
    with collector() as kept:
        yield kept


class Exporting:
    """An export with its counter."""

    def __init__(self, url: str) -> None:
        self.metrics = GatewayMetrics()
        self.export = SpanExport(url, SpanMaker(Settings()), self.metrics.ledger.spans_dropped)

    @property
    def dropped(self) -> float:
        """Return how many spans were lost."""
        return self.metrics.registry.get_sample_value(DROPPED) or 0.0

    def settle(self) -> None:
        """Wait until no span is on its way."""
        give_up = time.monotonic() + WAIT_SECONDS
        while self.export.waiting:
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def close(self) -> None:
        """End it."""
        asyncio.run(self.export.close())


def test_all_spans_arrive(collected: Collector) -> None:
    """What is sent comes once and whole, and nothing is left over."""
    exporting = Exporting(collected.url)
    for _ in range(50):
        exporting.export.send(RECORD, PLACE)
    exporting.close()

    assert len(collected.trace(50 * SPANS)) == 50 * SPANS
    assert (exporting.export.waiting, exporting.dropped) == (0, 0)
    assert {head["content-type"] for head in collected.heads} == {"application/x-protobuf"}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "the collector did not answer"),
        (400, "the collector answered 400"),
        (500, "the collector answered 500"),
        (503, "the collector answered 503"),
    ],
)
def test_what_is_not_taken_is_counted_and_said_once(
    collected: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    said: str,
) -> None:
    """One line a minute says why; the library's own words, and the collector's, are not heard."""
    collected.status, url = status, collected.url
    if not status:
        url = f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces"
        monkeypatch.setenv(TIMEOUT, SHORT)
    exporting = Exporting(url)
    with caplog.at_level(logging.DEBUG):
        for count in (1, 2, 3):
            exporting.export.send(RECORD, PLACE)
            exporting.settle()
            assert exporting.dropped == count * SPANS
        exporting.close()

    heard = [entry.getMessage() for entry in caplog.records if entry.name.startswith("serving")]
    assert heard == [f"{SPANS} spans are lost: {said} (gateway.otlp_traces_endpoint)"]
    assert not [entry for entry in caplog.records if entry.name.startswith("opentelemetry")]


def test_a_collector_that_recovers_is_used_again(collected: Collector) -> None:
    """Only what it did not take is lost."""
    exporting = Exporting(collected.url)
    collected.status = 500
    exporting.export.send(RECORD, PLACE)
    exporting.settle()
    collected.status = 200
    exporting.export.send(RECORD, PLACE)
    exporting.close()

    assert exporting.dropped == SPANS
    assert len(collected.spans) == SPANS


def test_what_waits_is_bounded(collected: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """While a slow collector holds a batch, so many spans are kept, whole requests only."""
    collected.go.clear()
    exporting = Exporting(collected.url)
    kept = MAX_WAITING_SPANS // SPANS
    for _ in range(kept + 7):
        exporting.export.send(RECORD, PLACE)

    assert exporting.export.waiting == kept * SPANS
    assert exporting.dropped == 7 * SPANS
    assert [entry.getMessage().partition(": ")[2][:13] for entry in caplog.records] == [
        "too many wait"
    ]
    collected.go.set()
    exporting.settle()
    exporting.close()
    assert len(collected.spans) == kept * SPANS
    assert exporting.dropped == 7 * SPANS


def test_the_end_does_not_wait_for_a_slow_collector(
    collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not taken by then is lost, and counted while it still holds the batch."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", str(WAIT_SECONDS))
    monkeypatch.setattr(span_export, "CLOSE_SECONDS", 0.2)
    collected.go.clear()
    exporting = Exporting(collected.url)
    exporting.export.send(RECORD, PLACE)
    exporting.close()

    assert exporting.dropped == SPANS
    assert exporting.export.waiting == SPANS, "the sender's thread has not come back"
    collected.go.set()


def test_losses_are_said_again_after_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The clock is the process's own, which nobody sets."""
    losses = Losses(GatewayMetrics().ledger.spans_dropped)
    heard = []
    for now in (1000.0, 1059.9, 1060.0, 1119.0, 1120.5):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        losses.add(1, "why")
        heard.append(len(caplog.records))

    assert heard == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("fault", ["down", "slow", "failing"])
def test_requests_and_the_end_do_not_hang_on_a_collector(
    collected: Collector,
    engine: FakeEngine,
    start_gateway: Callable[..., RunningGateway],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    """All are answered while it takes nothing; what is lost stands in the metrics."""
    monkeypatch.setattr(span_export, "CLOSE_SECONDS", 0.2)
    url = collected.url
    if fault == "failing":
        collected.status = 500
    else:
        monkeypatch.setenv(TIMEOUT, SHORT)
    if fault == "down":
        url = f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces"
    elif fault == "slow":
        collected.go.clear()
    gateway = start_gateway(otlp_traces_endpoint=url, traces_sample_rate=1.0)
    gateway.wait_ready()

    answers = [gateway.chat(stream=True) for _ in range(20)]

    assert [answer.status for answer in answers] == [200] * 20
    give_up = time.monotonic() + WAIT_SECONDS
    while not gateway.metric(DROPPED):
        assert time.monotonic() < give_up, "lost spans were never counted"
        time.sleep(0.05)
    gateway.end()
    assert collected.spans == []
