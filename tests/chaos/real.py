"""The same on the real engine, once: overload, drain and a killed engine; shown, not judged.

On two cores engine, gateway and client take time from each other, so that its capacity is no
known truth as the scripted engine's is.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from tests.chaos import drain, kill
from tests.chaos.client import arrivals, question
from tests.chaos.figures import median, quantile
from tests.chaos.record import Record, Verdict, ended_as, tally
from tests.chaos.report import Check, Row
from tests.chaos.site import Site, open_site
from tests.chaos.stop import long_answer
from tests.chaos.wait import clock

SEQUENCES: Final = 16
STREAMS: Final = 16
TOKENS: Final = 400
CAPACITY_SECONDS: Final = 10.0
BASE_LOAD, OVERLOAD = 0.8, 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the real engine did: its measured capacity, and what became of all requests."""

    capacity: float
    base: list[Record]
    overload: list[Record]
    drains: list[drain.Round]
    kills: list[kill.Facts]


async def run(*, quick: bool = False) -> Row:
    """Measure the real engine's capacity, overload it, drain before it, and kill it."""
    seconds = 5.0 if quick else 30.0
    async with open_site(engine__max_num_seqs=SEQUENCES) as site:
        await site.start_real()
        await site.start_gateway()
        await _capacity(site, 1.0)  # the first answers wait for what the engine compiles
        capacity = await _capacity(site, CAPACITY_SECONDS)
        base, overload = [
            await site.client.at_times(question(), arrivals(load * capacity, seconds, seed=9))
            for load in (BASE_LOAD, OVERLOAD)
        ]
        kills = [await kill.kill_engine(site, long_answer(TOKENS), STREAMS, site.start_real)]
        await _end_gateway(site)
        drains = [
            await drain.by_signal(site, long_answer(TOKENS), STREAMS),
            await drain.by_command(site, long_answer(TOKENS), STREAMS, drain.SHORT_GRACE),
        ]
    return Row(
        "real",
        "overload for half a minute, drain and kill -9 on the real engine, tiny-qwen3-vl",
        "reported",
        judge(Facts(capacity, base, overload, drains, kills)),
    )


async def _capacity(site: Site, seconds: float) -> float:
    """Return the answers a second with as many clients as the engine has sequences."""
    begin, finished = clock(), 0

    async def ask() -> None:
        nonlocal finished
        while clock() < begin + seconds:
            finished += (await site.client.ask(question())).verdict is Verdict.COMPLETE

    await asyncio.gather(*(ask() for _ in range(SEQUENCES)))
    return max(1.0, finished / (clock() - begin))


async def _end_gateway(site: Site) -> None:
    site.client.close()
    if site.gateway is not None:
        site.gateway.terminate()
        await asyncio.to_thread(site.gateway.wait)


def judge(facts: Facts) -> list[Check]:
    """Say what came out; nothing is held against it."""
    served = ended_as(facts.overload, Verdict.COMPLETE)
    busy = [record for record in facts.overload if record.is_busy]
    calm, first = (
        quantile([r.first_event_seconds for r in records], 0.99) * 1000
        for records in (ended_as(facts.base, Verdict.COMPLETE), served)
    )
    deciding = [record.decision_seconds * 1000 for record in busy]
    drained = [record for each in facts.drains for record in each.streams]
    broken = len(drained) - len(ended_as(drained, Verdict.COMPLETE))
    killed = [record for each in facts.kills for record in each.streams]
    recovery = max((each.recovery_seconds for each in facts.kills), default=0.0)
    return [
        Check(f"{facts.capacity:.0f} requests/s measured"),
        Check(f"at 10 ×: {tally(facts.overload)}"),
        Check(f"p99 first token {first:.0f} ms, at 80 % load {calm:.0f} ms"),
        Check(f"{len(busy):,} 429 with Retry-After, decided in {median(deciding):.1f} ms"),
        Check(f"drains: {broken} of {len(drained)} streams broken"),
        Check(f"killed: {tally(killed)}; ready again after {recovery:.0f} s"),
    ]
