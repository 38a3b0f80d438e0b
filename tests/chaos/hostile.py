"""Thousands of requests that want harm: none breaks the gateway or takes it to a wrong place."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from socket import AddressFamily
from typing import Final

import psutil

from tests.chaos.client import Request
from tests.chaos.fuzzer import requests, urls
from tests.chaos.paced_engine import Pace
from tests.chaos.record import Record, Verdict
from tests.chaos.report import Check, Row
from tests.chaos.site import Site, ended, paced_site
from tests.chaos.vitals import Samples, watched
from tests.chaos.wait import until
from tests.hostile import Case, Decoys, corpus
from tests.hostile.decoys import HOSTS

COUNT, AT_ONCE = 5000, 8
SEED: Final = 11
PACE: Final = Pace(slots=64, first_token_seconds=0.005, interval_seconds=0.001, tokens=4)
# Small enough to be reached by what is sent here, were they not kept.
INFLIGHT_MIB, WORKERS, WORKER_MIB = 256, 2, 512
VIDEO_FRAMES: Final = 768  # as for the real model; the tiny one's few are never too much
SHOWN: Final = 5
NUMBER: Final = re.compile(r"^\d+ ")  # a case's own, before its kind

Turn = tuple[Request, Case | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """Each answer's status, what was wrong with some, who was reached, and the gateway's cost."""

    statuses: list[int]
    objections: list[str]
    reached: list[str]
    memory: Samples
    alive: bool  # the same process, still ready


async def run(*, quick: bool = False) -> Row:
    """Send the generated corpus and the fuzzer's requests, half of each, eight at a time."""
    count = 200 if quick else COUNT
    hosts = [*HOSTS, *own_addresses()]
    with Decoys(hosts) as decoys:
        await _try_out(decoys, hosts)
        async with paced_site(
            PACE,
            engine__max_video_frames=VIDEO_FRAMES,
            gateway__max_inflight_bytes=INFLIGHT_MIB * 2**20,
            gateway__media_workers=WORKERS,
            gateway__media_worker_memory_bytes=WORKER_MIB * 2**20,
        ) as site:
            async with watched(site.gateway, 0.1) as memory:
                await asyncio.sleep(1)
                statuses, objections = await _all_asked(site, _turns(count, decoys))
            alive = not ended(site.gateway) and await site.is_ready()
        reached = list(decoys.connections)
    return Row(
        "hostile",
        f"{count:,} hostile bodies and URLs (generated corpus and a fuzzer)",
        "no 500, no crash, no connection to a forbidden address (asserted by listening decoys), "
        "memory bounded",
        judge(Facts(statuses, objections, reached, memory, alive), count),
    )


async def _try_out(decoys: Decoys, hosts: list[str]) -> None:
    """Reach each decoy once: silence of one that cannot be reached would prove nothing."""
    for host in hosts:
        _, writer = await asyncio.open_connection(host, decoys.port)
        writer.close()
    await until(lambda: sorted(decoys.connections) == sorted(hosts))
    decoys.connections.clear()


def own_addresses() -> list[str]:
    """Return this machine's own addresses that are not loopback's."""
    found = chain.from_iterable(psutil.net_if_addrs().values())
    internet = (AddressFamily.AF_INET, AddressFamily.AF_INET6)
    return sorted(
        {
            each.address
            for each in found
            if each.family in internet and not each.address.startswith(("127.", "fe80", "::1"))
        }
    )


def _turns(count: int, decoys: Decoys) -> Iterator[Turn]:
    for case in corpus(SEED, count // 2, decoys):
        yield Request(case.body), case
    forbidden = urls([*HOSTS, *own_addresses()], decoys.port)
    for request in requests(SEED, count - count // 2, forbidden):
        yield request, None


async def _all_asked(site: Site, turns: Iterator[Turn]) -> tuple[list[int], list[str]]:
    """Send all requests and keep what their answers come to, never the bodies."""
    statuses: list[int] = []
    objections: list[str] = []

    async def ask() -> None:
        for request, case in turns:
            record = await site.client.ask(request)
            statuses.append(record.status)
            if wrong := objection(request, case, record):
                objections.append(wrong)

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return statuses, objections


def objection(request: Request, case: Case | None, record: Record) -> str | None:
    """Return what is wrong with an answer; None where nothing is."""
    if case is not None:
        return case.judge(record.status, record.error_code)
    where = f"{request.method} {request.path[:60]} {request.body[:200]!r}"
    if record.verdict is Verdict.BROKEN:
        return f"no whole answer: {where}"
    if record.status >= 500 or record.verdict is Verdict.ERROR_EVENT:
        return f"{record.status} {record.error_code}: {where}"
    return None


def judge(facts: Facts, expected: int) -> list[Check]:
    """Hold the rule against all answers."""
    wrong = facts.objections
    statuses = Counter(facts.statuses)
    server_errors = sum(n for status, n in statuses.items() if status >= 500)
    sizes = [size for _, size in facts.memory]
    rest, peak = sizes[0] if sizes else 0.0, max(sizes, default=0.0)
    bound = rest + INFLIGHT_MIB + WORKERS * WORKER_MIB
    kinds = Counter(NUMBER.sub("", each) for each in wrong).most_common(SHOWN)
    shown = "".join(f" [{number} × {kind}]" for kind, number in kinds)
    counts = ", ".join(f"{number:,} × {status}" for status, number in sorted(statuses.items()))
    return [
        Check(f"{len(facts.statuses):,} answered: {counts}", len(facts.statuses) == expected),
        Check(f"server errors: {server_errors}", server_errors == 0),
        Check(f"answers other than they must be: {len(wrong)}{shown}", not wrong),
        Check(
            f"connections to decoys: {len(facts.reached)}"
            + "".join(f" {host}" for host in sorted(set(facts.reached))),
            not facts.reached,
        ),
        Check("the same process, still ready", facts.alive),
        Check(
            f"memory {peak - rest:.0f} MiB above rest at its peak, {bound - rest:.0f} allowed",
            peak <= bound,
        ),
    ]
