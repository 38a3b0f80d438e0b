"""Many requests at once before a real gateway, some of whose clients leave, and then a SIGTERM."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import aiohttp

from serving.gateway.record import Record
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import DaySum, UsageStore
from tests.fake_engine import (
    DONE,
    FakeEngine,
    Script,
    Wire,
    delta_event,
    stream,
    usage_event,
    whole,
)
from tests.serving.conftest import ROOT, WAIT_SECONDS, Room

# Of clients that connect in the same moment; the others wait for their turn.
AT_ONCE = 250
PROMPT_TOKENS = 7
KEY = "sk-test"


@dataclass
class Client:
    """One request, and what its sender got to see of it."""

    id: str
    thought: int
    answer: int
    streams: bool
    leaves_after: int | None  # events, or hundredths of a second where nothing is streamed
    events: int = 0
    usage: dict[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """Return the question: how many tokens the scripted engine is to think and answer."""
        said = f"{self.thought} {self.answer}"
        return {"messages": [{"role": "user", "content": said}], "stream": self.streams}

    async def ask(self, session: aiohttp.ClientSession, url: str, arrived: set[str]) -> None:
        """Ask, and leave or stay to the end; nobody leaves before the engine has the question."""
        asking = asyncio.create_task(self._ask(session, url))
        if self.leaves_after is not None and not self.streams:
            while self.id not in arrived and not asking.done():  # noqa: ASYNC110 (another thread's)
                await asyncio.sleep(0.005)
            await asyncio.wait({asking}, timeout=self.leaves_after / 100)
            asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> None:
        headers = {"X-Request-Id": self.id, "Authorization": f"Bearer {KEY}"}
        async with session.post(url, json=self.body, headers=headers) as response:
            assert response.status == 200, await response.text()
            if self.streams:
                await self._follow(response)
            else:
                self.usage = (await response.json())["usage"]

    async def _follow(self, response: aiohttp.ClientResponse) -> None:
        async for line in response.content:
            if line.startswith(b"data: {"):
                self._take(json.loads(line[6:]))
            if self.events == self.leaves_after:
                return

    def _take(self, event: dict[str, Any]) -> None:
        assert "error" not in event, event
        self.usage = event.get("usage") or self.usage
        delta = event["choices"][0]["delta"] if event["choices"] else {}
        self.events += bool(delta.get("reasoning") or delta.get("content"))


def clients(count: int, seed: int) -> list[Client]:
    """Return clients of which a third leaves at a time that nobody foresees."""
    chance = random.Random(seed)
    return [
        Client(
            id=f"request-{number}",
            thought=chance.randint(1, 40),
            answer=chance.randint(1, 20),
            streams=chance.random() < 0.7,
            leaves_after=chance.randint(1, 20) if chance.random() < 0.34 else None,
        )
        for number in range(count)
    ]


def engine_script(arrived: set[str]) -> Script:
    """Return how the engine answers: as long as asked, whole or streamed."""

    async def play(wire: Wire) -> None:
        asked = wire.request.json
        arrived.add(wire.request.headers["x-request-id"])
        thought, answer = map(int, asked["messages"][0]["content"].split())
        if not asked["stream"]:
            await asyncio.sleep(0.2)
            await whole(whole_answer(thought, answer))(wire)
            return
        events = [
            *(delta_event(reasoning="h") for _ in range(thought)),
            *(delta_event(content="r") for _ in range(answer)),
            delta_event(finish_reason="stop", content=""),
            usage_event(PROMPT_TOKENS, thought + answer, thought),
            DONE,
        ]
        await stream(events, pause_seconds=0.005)(wire)

    return play


def whole_answer(thought: int, answer: int) -> bytes:
    """Return an answer of so many tokens."""
    message = {"role": "assistant", "reasoning": "h" * thought, "content": "r" * answer}
    said = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": thought + answer,
            "total_tokens": PROMPT_TOKENS + thought + answer,
            "completion_tokens_details": {"reasoning_tokens": thought},
        },
    }
    return json.dumps(said, separators=(",", ":")).encode()


@contextmanager
def scripted_engine(room: Room, arrived: set[str]) -> Iterator[FakeEngine]:
    """Run a scripted engine where the room's gateway looks for it; `arrived` gets what it got."""
    room.run_folder.mkdir(mode=0o700)
    engine = FakeEngine(room.run_folder / "engine.sock", engine_script(arrived))
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


@contextmanager
def gateway(room: Room, store_url: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a gateway whose log goes to a file, which takes more lines than a pipe."""
    change = {
        "XDG_STATE_HOME": str(room.folder),
        "SERVING_GATEWAY__API_KEYS": KEY,
        "SERVING_MODELS__PROMPT_PRICE": "0.18",
        "SERVING_MODELS__COMPLETION_PRICE": "2.1",
        "SERVING_GATEWAY__MAX_RUNNING_REQUESTS": "5000",
        "SERVING_GATEWAY__MAX_RUNNING_TOKENS": "500000000",
        **({"SERVING_STORE__URL": store_url} if store_url else {}),
    }
    with (room.folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "gateway"],
            cwd=ROOT,
            env=room.environment(**change),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def page(session: aiohttp.ClientSession, room: Room, path: str) -> tuple[int, str]:
    """Return status and text of a page of the admin port, 0 while nobody listens."""
    try:
        async with session.get(f"http://127.0.0.1:{room.admin_port}{path}") as response:
            return response.status, await response.text()
    except aiohttp.ClientConnectionError:
        return 0, ""


async def ready(session: aiohttp.ClientSession, room: Room) -> None:
    """Wait until the gateway takes requests."""
    give_up = time.monotonic() + WAIT_SECONDS
    while (await page(session, room, "/readyz"))[0] != 200:
        assert time.monotonic() < give_up, (room.folder / "gateway.log").read_text()
        await asyncio.sleep(0.05)


def session() -> aiohttp.ClientSession:
    """Return clients that share nothing but their patience."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=WAIT_SECONDS),
    )


@dataclass
class Kept:
    """What the store holds in the end."""

    rows: dict[str, Record]
    days: list[DaySum]
    duplicates: int


def kept(room: Room, store_url: str | None = None) -> Kept:
    """Read the store after its gateway has ended."""
    url = store_url or f"sqlite:///{room.folder}/qwen3-vl-serving/serving.db"
    engine = open_store(Address.of(StoreSettings(url=url)))
    store, now = UsageStore(engine), time.time()
    try:
        rows = store.sample(now - 3600, now + 3600)
        days = store.days(date.min, date.max)
    finally:
        engine.dispose()
    found = {row.id: row for row in rows}
    return Kept(found, days, len(rows) - len(found))


def prove(room: Room, count: int, store_url: str | None = None, seed: int = 5) -> None:
    """Ask so many questions, stop the gateway under the last of them, and compare all sums."""
    asked, arrived = clients(count, seed), set[str]()
    with scripted_engine(room, arrived) as engine, gateway(room, store_url) as process:
        asyncio.run(_ask_and_stop(room, asked, arrived, process))
        assert process.wait(WAIT_SECONDS) == 0
        sent = {each.headers["x-request-id"]: each.sent for each in engine.requests}
    found = kept(room, store_url)
    assert found.duplicates == 0
    assert found.rows.keys() == {each.id for each in asked}
    for each in asked:
        _compare(each, found.rows[each.id], sent[each.id])
    _add_up(found)
    left = [each for each in asked if found.rows[each.id].verdict == "cancelled"]
    assert 0 < len(left) < count / 2


async def _ask_and_stop(
    room: Room, asked: list[Client], arrived: set[str], process: subprocess.Popen[bytes]
) -> None:
    """Ask everything, and end the gateway when the engine has got the last question."""
    turns = asyncio.Semaphore(AT_ONCE)
    url = f"http://127.0.0.1:{room.port}/api/v1/chat/completions"
    async with session() as mine:
        await ready(mine, room)

        async def ask(each: Client) -> None:
            async with turns:
                await each.ask(mine, url, arrived)

        asking = [asyncio.create_task(ask(each)) for each in asked]
        give_up = time.monotonic() + WAIT_SECONDS
        while len(arrived) < len(asked):
            assert time.monotonic() < give_up
            for failed in (task for task in asking if task.done()):
                failed.result()
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*asking)


def _compare(asked: Client, row: Record, sent: list[tuple[float, bytes]]) -> None:
    """Hold one row against what its client saw and the engine sent."""
    if asked.usage is not None:
        details = asked.usage["completion_tokens_details"]
        said = (asked.usage["prompt_tokens"], details["reasoning_tokens"], asked.usage["cost"])
        assert said == (row.prompt_tokens, row.reasoning_tokens, row.cost)
        assert asked.usage["completion_tokens"] == row.output_tokens
    if not row.estimated:
        told = (row.prompt_tokens, row.reasoning_tokens, row.answer_tokens)
        assert told == (PROMPT_TOKENS, asked.thought, asked.answer)
        return
    assert asked.leaves_after is not None
    assert row.verdict == "cancelled"
    assert asked.events <= row.output_tokens <= len(sent)


def _add_up(found: Kept) -> None:
    """Hold the day's sums against the rows."""
    rows, days = found.rows.values(), found.days
    for verdict in ("ok", "refused", "cancelled", "failed"):
        count = sum(row.verdict == verdict for row in rows)
        assert sum(getattr(day, verdict) for day in days) == count
    for kind in ("prompt", "cached", "image", "video", "reasoning", "answer"):
        name = f"{kind}_tokens"
        assert sum(getattr(day, name) for day in days) == sum(getattr(row, name) for row in rows)
    cost, total = sum(row.cost for row in rows), sum(day.cost for day in days)
    assert cost > 0
    assert abs(cost - total) < 1e-9 * cost
