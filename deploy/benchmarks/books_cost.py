"""Measures what it costs to write a request down: CPU microseconds for an event and for a request.

Run it from the repository's root: `python -m deploy.benchmarks.books_cost`. An event is one piece
of a stream, noted in the journal; a request is its journal and its entry in metrics and ledger.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from serving.gateway.journal import Journal
from serving.gateway.ledger import Ledger
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.record import Record
from serving.gateway.stream import Seen
from serving.gateway.timeline import Stage
from serving.options import StoreSettings
from serving.store.address import Address

ROUNDS = 20_000
REPEATS = 5


def record() -> Record:
    """Return a finished stream that thought."""
    return Record(
        id="req_0123456789abcdef0123456789abcdef",
        time=time.time(),
        route="chat_completions",
        key_id="key_1",
        key="alice",
        model="tiny-qwen3-vl",
        generates=True,
        known=True,
        admitted=True,
        streamed=True,
        status=200,
        finish_reason="stop",
        prompt_tokens=900,
        cached_tokens=400,
        image_tokens=256,
        reasoning_tokens=800,
        answer_tokens=200,
        cost=0.001,
        first_token_seconds=0.2,
        first_answer_seconds=8.0,
        duration_seconds=10.0,
        stages=dict.fromkeys(Stage, 1.0),
    )


def microseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the CPU time of one call, the median over some repeats."""
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        for _ in range(rounds):
            work()
        times.append((time.thread_time() - start) / rounds)
    return 1e6 * statistics.median(times)


def costs(folder: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the cost of each step by name; the ledger is not open and writes nothing."""
    metrics = GatewayMetrics()
    address = Address(folder / "serving.db", "a store", is_default=True)
    ledger = Ledger(address, StoreSettings(max_unwritten_requests=10**9), metrics.ledger)
    finished, seen = record(), Seen(reasoning=True)
    journal = Journal(finished.id, {}, metrics.requests.inter_token)
    journal.enter(Stage.PREFILL)

    def event() -> None:
        seen.events += 1
        journal.heard(seen)

    def request() -> None:
        begun = Journal(finished.id, {b"x-title": b"app"}, metrics.requests.inter_token)
        for stage in Stage:
            begun.enter(stage)
        begun.close()

    return {
        "an event noted": microseconds(event, rounds),
        "a request's journal": microseconds(request, rounds),
        "its entry in the metrics": microseconds(lambda: metrics.requests.enter(finished), rounds),
        "its entry in the ledger": microseconds(lambda: ledger.enter(finished), rounds),
    }


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        for name, cost in costs(Path(temporary)).items():
            sys.stdout.write(f"{name:<26}{cost:7.2f} µs\n")
