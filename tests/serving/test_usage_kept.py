"""What a real gateway's ledger holds after its end, whether it was asked to end or killed."""

import asyncio
import re
import sqlite3
import time

import aiohttp
import pytest

from serving.gateway import ledger
from tests.serving import usage_run
from tests.serving.conftest import WAIT_SECONDS, Room
from tests.serving.usage_run import Client, gateway, kept, page, ready, scripted_engine, session

COUNT = 100
WRITTEN = re.compile(r"^gateway_ledger_rows_total (\S+)$", re.MULTILINE)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_ledger_is_the_sum_of_all_responses(
    room: Room, kind: str, request: pytest.FixtureRequest
) -> None:
    """Some clients leave, and the gateway is asked to end while the last answers stream."""
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    usage_run.prove(room, COUNT, url)


def test_kill_9_loses_what_was_not_written_yet_and_nothing_else(room: Room) -> None:
    """What the metrics called written is there; what is lost are the last ones that ended."""
    asked = [Client(f"request-{n}", 1, 1, streams=True, leaves_after=None) for n in range(300)]

    async def run() -> int:
        async with session() as mine:
            await ready(mine, room)
            asking = asyncio.create_task(_one_after_another(mine, room, asked))
            give_up = time.monotonic() + WAIT_SECONDS
            while not (written := await _written(mine, room)):
                assert time.monotonic() < give_up
                await asyncio.sleep(0.02)
            process.kill()
            await asyncio.gather(asking, return_exceptions=True)
            return written

    with scripted_engine(room, set()), gateway(room) as process:
        written = asyncio.run(run())
        process.wait()
    held = kept(room).rows
    assert len(held) >= written > 0
    assert list(held) == [each.id for each in asked[: len(held)]]
    path = room.folder / "qwen3-vl-serving" / "serving.db"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_what_is_lost_is_less_than_a_second() -> None:
    """A request waits for the next time to write, and that leaves as long for the write."""
    assert 2 * ledger.WRITE_SECONDS <= 1


async def _one_after_another(mine: aiohttp.ClientSession, room: Room, asked: list[Client]) -> None:
    for each in asked:
        await each.ask(mine, f"http://127.0.0.1:{room.port}/api/v1/chat/completions", set())


async def _written(mine: aiohttp.ClientSession, room: Room) -> int:
    """Return how many requests the gateway says are in the store."""
    said = WRITTEN.search((await page(mine, room, "/metrics"))[1])
    return int(float(said[1])) if said else 0
