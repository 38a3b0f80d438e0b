"""Twenty minutes of ordinary load: what the gateway holds does not grow."""

from typing import Final

from tests.chaos.client import arrivals, question
from tests.chaos.figures import quantile
from tests.chaos.overload import PACE
from tests.chaos.record import Record, Verdict, ended_as
from tests.chaos.report import Check, Row
from tests.chaos.site import paced_site
from tests.chaos.vitals import Samples, growth, watched

LOAD: Final = 0.7
SECONDS, QUICK_SECONDS = 1200.0, 30.0
SETTLED_SHARE: Final = 0.25  # the first five minutes of twenty
MAX_GROWTH_MIB: Final = 1.0


async def run(*, quick: bool = False) -> Row:
    """Send Poisson arrivals at 70 % of capacity and sample the gateway's memory each second."""
    seconds = QUICK_SECONDS if quick else SECONDS
    async with paced_site(PACE) as site, watched(site.gateway) as memory:
        times = arrivals(LOAD * PACE.capacity, seconds, seed=8)
        records = await site.client.at_times(question(), times)
    return Row(
        "soak",
        f"{seconds / 60:g}-minute soak at 70 % load",
        "memory slope after 5 minutes under 1 MiB in 10 minutes",
        judge(records, memory, seconds),
    )


def judge(records: list[Record], memory: Samples, seconds: float) -> list[Check]:
    """Hold the rule against the samples; the load must have been there."""
    complete = ended_as(records, Verdict.COMPLETE)
    grown = growth(memory, after=seconds * SETTLED_SHARE, over=seconds / 2)
    late = quantile([record.first_event_seconds for record in complete], 0.99)
    sizes = [size for _, size in memory]
    return [
        Check(
            f"memory {grown:+.2f} MiB in {seconds / 120:g} minutes, "
            f"{max(sizes, default=0):.0f} MiB at most",
            grown < MAX_GROWTH_MIB and len(sizes) >= seconds / 2,
        ),
        Check(
            f"{len(complete):,} of {len(records):,} requests complete, p99 first token "
            f"{late * 1000:.0f} ms",
            len(complete) == len(records) > 0,
        ),
    ]
