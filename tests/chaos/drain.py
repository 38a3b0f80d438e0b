"""A rollout under load: whatever runs when the gateway is told to go comes to its own end."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from tests.chaos.client import Request, question
from tests.chaos.figures import median
from tests.chaos.paced_engine import Pace
from tests.chaos.record import Record, Verdict, ended_as
from tests.chaos.report import Check, Row
from tests.chaos.site import Site, ended, open_site
from tests.chaos.wait import WAIT_SECONDS, clock, until

STREAMS: Final = 64
LATER: Final = 8
# Streams of 2 s, so that the order to go finds all of them running.
PACE: Final = Pace(slots=2 * STREAMS, first_token_seconds=0.1, interval_seconds=0.05, tokens=40)
SHORT_GRACE, LONG_GRACE = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """One end of a gateway: how it was asked for, what became of each request, and of itself."""

    way: str
    streams: list[Record]
    late: list[Record]  # asked after the order to go
    exit_code: int | None
    command_code: int | None = None
    seconds: float = 0.0  # from the order to its fulfilment


async def run(*, quick: bool = False) -> Row:
    """End gateways by a signal and by the command, each time under 64 streams."""
    count = 2 if quick else 20
    rounds: list[Round] = []
    async with open_site(engine__max_num_seqs=PACE.slots, gateway__drain_seconds=30) as site:
        await site.start_paced(PACE)
        for number in range(count):
            await asyncio.sleep(random.Random(number).random())
            rounds.append(await by_signal(site, question(), STREAMS))
            grace = LONG_GRACE if number == 0 else SHORT_GRACE
            rounds.append(await by_command(site, question(), STREAMS, grace))
    return Row(
        "drain",
        f"SIGTERM, and `serving drain`, under {STREAMS} streams, {count} times each",
        "0 broken streams",
        judge(rounds, STREAMS),
    )


async def by_signal(site: Site, request: Request, count: int) -> Round:
    """Start a gateway, and end it by SIGTERM under `count` streams, with requests right after."""
    gateway = await site.start_gateway()
    async with site.client.streams(request, count) as streams:
        begin = clock()
        gateway.terminate()
        late = await asyncio.gather(*(site.client.ask(request) for _ in range(LATER)))
    code = await asyncio.to_thread(gateway.wait, WAIT_SECONDS)
    site.client.close()
    return Round("SIGTERM", streams, late, code, seconds=clock() - begin)


async def by_command(site: Site, request: Request, count: int, grace_seconds: float) -> Round:
    """Start a gateway, and drain it by the command, with requests in its phases; then SIGTERM."""
    site.options = {**site.options, "SERVING_GATEWAY__DRAIN_GRACE_SECONDS": str(grace_seconds)}
    gateway = await site.start_gateway()
    async with site.client.streams(request, count) as streams:
        begin = clock()
        command = site.start("serving", "drain")
        await until(lambda: ended(command) or _says_no(site))
        late = await asyncio.gather(*(site.client.ask(request) for _ in range(LATER)))
        code = await asyncio.to_thread(command.wait, WAIT_SECONDS)
        seconds = clock() - begin
        gateway.terminate()
    gateway_code = await asyncio.to_thread(gateway.wait, WAIT_SECONDS)
    site.client.close()
    return Round("drain", streams, late, gateway_code, code, seconds)


async def _says_no(site: Site) -> bool:
    return not await site.is_ready()


def judge(rounds: list[Round], expected_streams: int) -> list[Check]:
    """Hold the rule against all rounds, for each way apart."""
    return [
        check
        for way in ("SIGTERM", "drain")
        for check in _judge_way(way, [r for r in rounds if r.way == way], expected_streams)
    ]


def _judge_way(way: str, rounds: list[Round], expected: int) -> list[Check]:
    streams = [record for each in rounds for record in each.streams]
    complete = len(ended_as(streams, Verdict.COMPLETE))
    late = [record for each in rounds for record in each.late]
    wrong = [record for record in late if not _answered(record, way)]
    codes = {code for r in rounds for code in (r.exit_code, r.command_code) if code is not None}
    return [
        Check(
            f"{way}: {len(streams) - complete} of {len(streams):,} streams broken",
            complete == len(streams) == expected * len(rounds) > 0,
        ),
        Check(
            f"{len(late) - len(wrong)} of {len(late)} later requests served or told to come again",
            not wrong,
        ),
        Check(f"exit codes {sorted(codes)}", codes == {0}),
        Check(f"median {median([r.seconds for r in rounds]):.1f} s"),
    ]


def _answered(record: Record, way: str) -> bool:
    """Say whether a late request was served, sent away in words, or found nobody listening.

    The last is right only after a signal, where the process may be gone already.
    """
    sent_away = record.status == 503 and record.says_when_to_come_again
    gone = way == "SIGTERM" and record.status == 0
    return record.verdict is Verdict.COMPLETE or sent_away or gone
