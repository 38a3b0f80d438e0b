"""The scripted engine keeps its own truth, and the client sees what it really did."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.client import Client, Leaving, Request, arrivals, question
from tests.chaos.paced_engine import BUSY, Pace, PacedEngine
from tests.chaos.record import Verdict, ended_as
from tests.chaos.wait import clock, until

PACE = Pace(slots=4, first_token_seconds=0.2, interval_seconds=0.01, tokens=11)


@pytest.fixture
def start() -> Iterator[Callable[[Pace], PacedEngine]]:
    """Start scripted engines with a pace; they end with the test."""
    engines: list[PacedEngine] = []
    with tempfile.TemporaryDirectory(prefix="pe-") as folder:

        def begin(pace: Pace = PACE) -> PacedEngine:
            engines.append(PacedEngine(Path(folder) / "engine.sock", pace))
            engines[-1].start()
            return engines[-1]

        yield begin
        for engine in engines:
            engine.stop()


def test_a_pace_says_what_the_engine_can_do() -> None:
    """Four requests in each 0.3 seconds."""
    assert PACE.service_seconds == pytest.approx(0.3)
    assert PACE.capacity == pytest.approx(4 / 0.3)


def test_as_many_as_it_has_slots_are_served_at_once_and_as_many_wait(start) -> None:
    """The others are refused in vLLM's words; first tokens and ends come by its pace."""
    engine = start()

    async def flood() -> list:
        client = Client(engine.socket_path)
        records = await client.at_times(question(), [0.0] * 12)
        client.close()
        return records

    records = asyncio.run(flood())
    served = sorted(ended_as(records, Verdict.COMPLETE), key=lambda record: record.ended)
    refused = [record for record in records if record.status == 503]
    assert (len(served), len(refused), engine.truth.refused) == (8, 4, 4)
    assert engine.truth.finished == 8
    assert engine.truth.iterations == 8 * PACE.tokens
    for record in served:
        assert record.first_event_seconds >= PACE.first_token_seconds
        assert record.ended - record.scheduled >= PACE.service_seconds
    for record in served[4:]:
        assert record.first_event_seconds >= PACE.service_seconds + PACE.first_token_seconds
    assert "currently busy" in BUSY


@pytest.mark.parametrize(
    "leaving", [Leaving(body_bytes=5), Leaving(pieces=0), Leaving(pieces=3)], ids=str
)
def test_a_client_that_leaves_frees_its_slot(start, leaving: Leaving) -> None:
    """Within its body, before the answer and in the middle of it."""
    engine = start(Pace(slots=1, tokens=1000))

    async def leave() -> None:
        client = Client(engine.socket_path)
        record = await client.ask(question(), leaving=leaving)
        assert record.verdict is Verdict.LEFT
        await until(lambda: engine.truth.running == engine.truth.waiting == 0)

    asyncio.run(leave())
    assert engine.truth.finished == 0
    assert engine.truth.aborted <= 1


def test_streams_run_in_the_block_and_have_ended_after_it(start) -> None:
    """All of them past their first event."""
    engine = start()

    async def run() -> None:
        client = Client(engine.socket_path)
        async with client.streams(question(), 4) as records:
            assert all(record.first_event < clock() < record.ended for record in records)
            assert engine.truth.running == 4
        assert len(ended_as(records, Verdict.COMPLETE)) == 4

    asyncio.run(run())


def test_a_whole_answer_is_complete_too(start) -> None:
    """Without a stream."""
    body = json.dumps({"messages": []}).encode()
    client = Client(start().socket_path)
    assert asyncio.run(client.ask(Request(body))).verdict is Verdict.COMPLETE


def test_an_engine_that_dies_breaks_the_record(start) -> None:
    """Nothing is raised: it is a verdict."""
    engine = start(Pace(slots=1, tokens=1000))

    async def run() -> None:
        client = Client(engine.socket_path)
        async with client.streams(question(), 1) as records:
            await asyncio.to_thread(engine.stop)
        assert records[0].verdict is Verdict.BROKEN
        assert (await client.ask(question())).verdict is Verdict.BROKEN

    asyncio.run(run())


def test_arrivals_are_those_of_a_poisson_process_and_repeat() -> None:
    """The right number of them, in order, the same for a seed."""
    times = list(arrivals(100, 50, seed=1))
    assert times == sorted(times) == list(arrivals(100, 50, seed=1))
    assert times != list(arrivals(100, 50, seed=2))
    assert 4700 < len(times) < 5300
    assert 0 < times[0] < times[-1] < 50
