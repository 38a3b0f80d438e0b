"""Ten times what the engine can do: who is let in is served in time, all others know at once."""

import math
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.client import arrivals, question
from tests.chaos.figures import median, quantile
from tests.chaos.paced_engine import Pace
from tests.chaos.record import Record, Verdict, ended_as, tally
from tests.chaos.report import Check, Row
from tests.chaos.site import paced_site
from tests.chaos.vitals import Samples, growth, queued_seconds, watched

# 110 requests a second: at 10 x, client, gateway and engine take two thirds of one core together.
PACE: Final = Pace(slots=32, first_token_seconds=0.1, interval_seconds=0.01, tokens=20)
BASE_LOAD, OVERLOAD = 0.8, 10.0
WARM_UP_SECONDS: Final = 10.0
SLOWER: Final = 2.0
SERVED_SHARE: Final = 0.8
MAX_GROWTH_MIB: Final = 1.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen: under the base load, and during the overload of so many seconds."""

    capacity: float
    seconds: float
    base: list[Record]
    overload: list[Record]
    memory: Samples = field(default_factory=list)
    refused_by_engine: int = 0
    queued_seconds: float = 0.0  # in which the gateway found no core free
    ramp_seconds: float = 0.0  # first tokens of so long are not judged


async def run(*, quick: bool = False) -> Row:
    """Send Poisson arrivals at 0.8 and then at 10 times the engine's capacity."""
    base_seconds, seconds = (10.0, 15.0) if quick else (60.0, 120.0)
    async with paced_site(PACE) as site:
        ask, capacity = question(), PACE.capacity
        warm_up = arrivals(BASE_LOAD * capacity, WARM_UP_SECONDS, seed=1)
        await site.client.at_times(ask, warm_up)
        calm = arrivals(BASE_LOAD * capacity, base_seconds, seed=2)
        base = await site.client.at_times(ask, calm)
        queued = -queued_seconds(site.gateway)
        async with watched(site.gateway) as memory:
            flood = arrivals(OVERLOAD * capacity, seconds, seed=3)
            overload = await site.client.at_times(ask, flood)
        queued += queued_seconds(site.gateway)
        refused = int(await site.engine_metric("paced:refused"))
    # The queue takes a first burst as it is: too many of all that a short run lets in.
    ramp = 5.0 if quick else 0.0
    facts = Facts(capacity, seconds, base, overload, memory, refused, queued, ramp)
    return Row(
        "overload",
        f"10 × capacity for {seconds / 60:g} minutes",
        "p99 time to first token of admitted requests ≤ 2 × its value at 80 % load; every other "
        "one a 429 with Retry-After, decided without waiting; gateway memory flat",
        judge(facts),
    )


def judge(facts: Facts) -> list[Check]:
    """Hold the rules of the experiment against the facts."""
    served = ended_as(facts.overload, Verdict.COMPLETE)
    refused = [record for record in facts.overload if record.is_busy]
    rest = len(facts.overload) - len(served) - len(refused)
    calm = quantile([r.first_event_seconds for r in facts.base], 0.99)
    judged_from = min((r.scheduled for r in facts.overload), default=0.0) + facts.ramp_seconds
    settled = [record for record in served if record.scheduled >= judged_from]
    first = quantile([record.first_event_seconds for record in settled], 0.99)
    deciding = [r.decision_seconds for r in refused]
    slowest = quantile(deciding, 0.99)
    rate = len(served) / _span(facts.overload) / facts.capacity
    # What the first seconds take is room for so many connections, not a leak.
    grown = growth(facts.memory, after=facts.seconds / 4, over=60.0)
    others = tally(r for r in facts.overload if not _is_right(r))
    at_rest = len(ended_as(facts.base, Verdict.COMPLETE)) / max(1, len(facts.base))
    return [
        Check(
            f"p99 first token {first * 1000:.0f} ms, at 80 % load {calm * 1000:.0f} ms "
            f"({first / calm:.2f} ×)",
            first <= SLOWER * calm,
        ),
        Check(f"{at_rest:.1%} served at 80 % load", at_rest >= 0.99),
        Check(
            f"{len(served):,} of {len(facts.overload):,} served, {rate:.0%} of capacity",
            rate >= SERVED_SHARE,
        ),
        Check(
            f"{len(refused):,} 429 with Retry-After, decided in {median(deciding) * 1000:.1f} ms, "
            f"p99 {slowest * 1000:.0f} ms",
            slowest < calm,
        ),
        Check(f"otherwise ended: {rest}" + (f" ({others})" if rest else ""), rest == 0),
        Check(f"refused by the engine: {facts.refused_by_engine}", facts.refused_by_engine == 0),
        Check(
            f"no core free for the gateway {facts.queued_seconds / facts.seconds:.0%} of the time"
        ),
        Check(f"memory {grown:+.2f} MiB a minute", grown <= MAX_GROWTH_MIB),
    ]


def _span(records: list[Record]) -> float:
    """Return the seconds from the first request to the last end."""
    begin = min((record.scheduled for record in records), default=0.0)
    ends = [record.ended for record in records if record.ended < math.inf]
    return max(ends, default=math.inf) - begin


def _is_right(record: Record) -> bool:
    return record.verdict is Verdict.COMPLETE or record.is_busy
