"""Clients that leave at any moment leave nothing behind: no request, no file, no task."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from tests.chaos.client import Leaving, Request, question
from tests.chaos.paced_engine import Pace
from tests.chaos.record import Record, Verdict, ended_as
from tests.chaos.report import Check, Row
from tests.chaos.site import Site, paced_site
from tests.chaos.vitals import open_files
from tests.chaos.wait import until

STREAMS, AT_ONCE = 1000, 50
PACE: Final = Pace(slots=AT_ONCE, first_token_seconds=0.05, interval_seconds=0.02, tokens=40)
# A gateway that has just answered may have a request of ours in its books for a moment.
REST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rest:
    """What is open while nobody asks for anything."""

    files: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of the streams, and what was left of them."""

    records: list[Record]
    running: float
    waiting: float
    aborted: float
    before: Rest
    after: Rest


async def run(*, quick: bool = False) -> Row:
    """Drop streams at random points, 50 at a time."""
    count = 100 if quick else STREAMS
    chance = random.Random(7)
    request = question()
    async with paced_site(PACE) as site:
        await _all_dropped(site, request, [_leaving(chance, request) for _ in range(AT_ONCE)])
        await site.client.at_times(request, [0.0] * AT_ONCE)
        before = await _at_rest(site)
        records = await _all_dropped(
            site, request, [_leaving(chance, request) for _ in range(count)]
        )
        after = await _at_rest(site, before)
        truth = {
            name: await site.engine_metric(f"paced:{name}")
            for name in ("running", "waiting", "aborted")
        }
    return Row(
        "dropped",
        f"{count:,} streams dropped at random points",
        "engine's running count returns to 0, file descriptors and tasks equal at rest",
        judge(Facts(records, **truth, before=before, after=after), count),
    )


def _leaving(chance: random.Random, request: Request) -> Leaving:
    """Choose a point: within the body, before an answer, or after some pieces of it."""
    match chance.randrange(4):
        case 0:
            return Leaving(body_bytes=chance.randrange(len(request.body)))
        case 1:
            return Leaving(pieces=0)
        case _:
            return Leaving(pieces=chance.randint(1, PACE.tokens // 2))


async def _all_dropped(site: Site, request: Request, leavings: list[Leaving]) -> list[Record]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def drop(leaving: Leaving) -> Record:
        async with turns:
            return await site.client.ask(request, leaving=leaving)

    return list(await asyncio.gather(*map(drop, leavings)))


async def _at_rest(site: Site, wanted: Rest | None = None) -> Rest:
    """Return what is open once all requests have ended, and once it is what is wanted, if soon."""
    site.client.close()
    seen: list[Rest] = []

    async def quiet() -> bool:
        tasks = int(await site.gateway_metric("gateway_asyncio_tasks"))
        seen.append(Rest(await asyncio.to_thread(open_files, site.gateway), tasks))
        running = await site.gateway_metric("gateway_requests_running")
        steady = len(seen) > 5 and len(set(seen[-5:])) == 1
        return not running and (seen[-1] == wanted if wanted is not None else steady)

    try:
        await until(quiet, REST_SECONDS)
    except TimeoutError:
        return seen[-1]  # the verdict says how it differs
    return seen[-1]


def judge(facts: Facts, expected_streams: int) -> list[Check]:
    """Hold the rule against the facts."""
    left = len(ended_as(facts.records, Verdict.LEFT))
    before, after = facts.before, facts.after
    return [
        Check(f"{left:,} of {expected_streams:,} dropped", left == expected_streams),
        Check(f"{facts.aborted:.0f} of them had reached the engine", facts.aborted > 0),
        Check(
            f"engine at rest: {facts.running:.0f} running, {facts.waiting:.0f} waiting",
            facts.running == facts.waiting == 0,
        ),
        Check(f"file descriptors {before.files} → {after.files}", before.files == after.files),
        Check(f"tasks {before.tasks} → {after.tasks}", before.tasks == after.tasks > 0),
    ]
