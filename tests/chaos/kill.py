"""The engine is killed under its streams: each client is told, and all goes on when it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.chaos.client import Request, question
from tests.chaos.figures import quantile
from tests.chaos.paced_engine import Pace
from tests.chaos.record import Record, Verdict, tally
from tests.chaos.report import Check, Row
from tests.chaos.site import START_SECONDS, Site, ended, kill, paced_site
from tests.chaos.wait import clock, until

STREAMS: Final = 64
LATER: Final = 8
# Streams of 60 s, whose end none of them lives to see.
PACE: Final = Pace(slots=STREAMS, first_token_seconds=0.1, interval_seconds=0.1, tokens=600)
# The end of a connection needs no deadline to be seen: well below the shortest that there is.
TOLD_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What clients saw when the engine died, while it was away, and when it was back."""

    killed_at: float
    streams: list[Record]
    meanwhile: list[Record]
    afterwards: list[Record]
    recovery_seconds: float  # from the engine's new start to a ready gateway
    same_gateway: bool


async def run(*, quick: bool = False) -> Row:
    """Kill the scripted engine under its streams and start it again, some times."""
    rounds = 1 if quick else 5
    async with paced_site(PACE) as site:
        facts = [
            await kill_engine(site, question(), STREAMS, lambda: site.start_paced(PACE))
            for _ in range(rounds)
        ]
    return Row(
        "kill",
        f"kill -9 of the engine under {STREAMS} streams, {rounds} times",
        f"{STREAMS} typed error events, recovery after the engine's restart without one of the "
        "gateway",
        judge(facts, STREAMS),
    )


async def kill_engine(
    site: Site, request: Request, count: int, start: Callable[[], Awaitable[Any]]
) -> Facts:
    """Kill a site's engine under `count` streams of a request, ask on, start it, ask again."""
    gateway = site.gateway
    async with site.client.streams(request, count) as streams:
        killed_at = clock()
        await asyncio.to_thread(kill, site.engine)
    meanwhile = await asyncio.gather(*(site.client.ask(request) for _ in range(LATER)))
    began = clock()
    await start()
    await until(site.is_ready, START_SECONDS)
    recovery = clock() - began
    # One piece is enough to know that answers come again.
    afterwards = [Record(clock()) for _ in range(LATER)]
    asked = [asyncio.ensure_future(site.client.ask(request, each)) for each in afterwards]
    await until(lambda: all(each.first_event < clock() for each in afterwards))
    for each in asked:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    return Facts(killed_at, streams, meanwhile, afterwards, recovery, not ended(gateway))


def judge(facts: list[Facts], expected_streams: int) -> list[Check]:
    """Hold the rule against all rounds."""
    streams = [(each.killed_at, record) for each in facts for record in each.streams]
    told = [(at, r) for at, r in streams if r.verdict is Verdict.ERROR_EVENT and r.error_code]
    slowest = quantile([record.ended - at for at, record in told], 1.0)
    codes = sorted({str(record.error_code) for _, record in told})
    meanwhile = [record for each in facts for record in each.meanwhile]
    refused = [r for r in meanwhile if r.status == 503 and r.says_when_to_come_again]
    afterwards = [record for each in facts for record in each.afterwards]
    served = [record for record in afterwards if record.status == 200]
    recovery = quantile([each.recovery_seconds for each in facts], 0.5)
    others = [record for _, record in streams if record.verdict is not Verdict.ERROR_EVENT]
    return [
        Check(
            f"{len(told)} of {len(streams)} streams got one typed error event ({', '.join(codes)})"
            + (f", the others: {tally(others)}" if others else ""),
            len(told) == len(streams) == expected_streams * len(facts) > 0,
        ),
        Check(f"the last after {slowest:.2f} s", slowest <= TOLD_SECONDS),
        Check(
            f"meanwhile {len(refused)} of {len(meanwhile)} new requests got 503 with Retry-After",
            len(refused) == len(meanwhile) > 0,
        ),
        Check(
            f"ready again {recovery:.1f} s after the engine's start, "
            f"{len(served)} of {len(afterwards)} served",
            len(served) == len(afterwards) > 0,
        ),
        Check("the same gateway process", all(each.same_gateway for each in facts)),
    ]
