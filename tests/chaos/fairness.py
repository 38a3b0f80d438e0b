"""One tenant sends ten times what the engine can do; another one asks for little and gets it."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from tests.chaos.client import arrivals, question
from tests.chaos.figures import quantile
from tests.chaos.overload import PACE
from tests.chaos.record import Record, Verdict, ended_as
from tests.chaos.report import Check, Row
from tests.chaos.site import paced_site

FLOOD, LITTLE = 10.0, 0.2
SERVED_SHARE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of the flood, of the other tenant's requests alone, and of those beside it."""

    flood: list[Record]
    alone: list[Record]
    beside: list[Record]


async def run(*, quick: bool = False) -> Row:
    """Let a second key send 20 % of capacity, first alone, then beside the flood of the first."""
    seconds = 15.0 if quick else 60.0
    greedy, modest = (f"sk-{secrets.token_hex(16)}" for _ in range(2))
    keys = f'["{greedy}", "{modest}"]'
    async with paced_site(PACE, gateway__api_keys=keys) as site:
        little = question(modest)
        rate = LITTLE * PACE.capacity
        alone = await site.client.at_times(little, arrivals(rate, seconds / 2, seed=4))
        flood, beside = await asyncio.gather(
            site.client.at_times(
                question(greedy), arrivals(FLOOD * PACE.capacity, seconds, seed=5)
            ),
            site.client.at_times(little, arrivals(rate, seconds, seed=6)),
        )
    return Row(
        "fairness",
        "one key sends 10 × capacity, another 20 %",
        f"≥ {SERVED_SHARE:.0%} of the other key's requests served",
        judge(Facts(flood, alone, beside)),
    )


def judge(facts: Facts) -> list[Check]:
    """Hold the rule against the facts."""
    served = ended_as(facts.beside, Verdict.COMPLETE)
    share = len(served) / max(1, len(facts.beside))
    flooding = len(ended_as(facts.flood, Verdict.COMPLETE)) / max(1, len(facts.flood))
    alone, beside = (
        quantile([r.first_event_seconds for r in ended_as(records, Verdict.COMPLETE)], 0.99) * 1000
        for records in (facts.alone, facts.beside)
    )
    wrong = [r for r in facts.beside if r.verdict is not Verdict.COMPLETE and not r.is_busy]
    return [
        Check(f"{share:.1%} of the other's served", share >= SERVED_SHARE),
        Check(f"{flooding:.1%} of the flood served"),
        Check(f"the other's p99 first token {beside:.0f} ms, alone {alone:.0f} ms"),
        Check(f"neither served nor refused: {len(wrong)}", not wrong),
    ]
