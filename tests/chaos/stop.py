"""A real engine that hangs, its core or its API process: the watchdog says so in time."""

import signal
from dataclasses import dataclass
from typing import Final

import psutil

from tests.chaos.client import Request, question
from tests.chaos.figures import quantile
from tests.chaos.record import Record, Verdict, ended_as, tally
from tests.chaos.report import Check, Row
from tests.chaos.site import Site, family, kill, open_site
from tests.chaos.wait import clock, until

STREAMS: Final = 8
WATCHDOG_SECONDS, QUICK_WATCHDOG_SECONDS = 60.0, 10.0
# What a look every few seconds, and one slow page, may add.
MARGIN_SECONDS: Final = 15.0
TOKENS: Final = 4000
CORE: Final = "EngineCore"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen after a part of the engine had been stopped."""

    part: str
    watchdog_seconds: float
    failed_seconds: float  # from the stop to the first /livez that fails
    reason: str
    stopped_at: float
    streams: list[Record]


async def run(*, quick: bool = False) -> Row:
    """Stop the core, then the API process, of an engine of its own each time."""
    watchdog = QUICK_WATCHDOG_SECONDS if quick else WATCHDOG_SECONDS
    facts = []
    for part in ("core", "API process"):
        async with open_site(gateway__watchdog_seconds=watchdog) as site:
            await site.start_real()
            await site.start_gateway()
            facts.append(await _stopped(site, part, watchdog))
    return Row(
        "stop",
        "SIGSTOP of the engine's core; of its API process",
        f"/livez fails with the reason within {watchdog:g} to {watchdog + MARGIN_SECONDS:g} s, "
        "streams end with a typed error",
        judge(facts, STREAMS),
    )


def long_answer(tokens: int = TOKENS) -> Request:
    """Return a streamed question to the tiny model that takes as many tokens as it says."""
    messages = [{"role": "user", "content": "Count aloud to 90."}]
    return question(messages=messages, max_tokens=tokens, min_tokens=tokens)


async def _stopped(site: Site, part: str, watchdog: float) -> Facts:
    process = _core(site) if part == "core" else site.engine
    if process is None or (await site.page("/livez"))[0] != 200:
        raise ChildProcessError("the engine does not live as it should")
    try:
        async with site.client.streams(long_answer(), STREAMS) as streams:
            begin = clock()
            process.send_signal(signal.SIGSTOP)
            page = (200, "")

            async def fails() -> bool:
                nonlocal page
                page = await site.page("/livez")
                return page[0] != 200

            seconds = await until(fails, watchdog + 4 * MARGIN_SECONDS)
    finally:
        kill(site.engine)
    reason = page[1].strip() if page[0] == 503 else f"status {page[0]}"
    return Facts(part, watchdog, seconds, reason, begin, streams)


def _core(site: Site) -> psutil.Process | None:
    return next((each for each in family(site.engine) if CORE in " ".join(each.cmdline())), None)


def judge(facts: list[Facts], expected_streams: int) -> list[Check]:
    """Hold the rule against each of the two."""
    return [check for each in facts for check in _judge_one(each, expected_streams)]


def _judge_one(facts: Facts, expected: int) -> list[Check]:
    least, most = facts.watchdog_seconds, facts.watchdog_seconds + MARGIN_SECONDS
    told = [r for r in ended_as(facts.streams, Verdict.ERROR_EVENT) if r.error_code]
    slowest = quantile([record.ended - facts.stopped_at for record in told], 1.0)
    others = [record for record in facts.streams if record not in told]
    codes = sorted({str(record.error_code) for record in told})
    return [
        Check(
            f"{facts.part}: /livez failed after {facts.failed_seconds:.1f} s ({facts.reason})",
            least <= facts.failed_seconds <= most and bool(facts.reason),
        ),
        Check(
            f"{len(told)} of {len(facts.streams)} streams got a typed error ({', '.join(codes)})"
            + (f", the others: {tally(others)}" if others else f", the last after {slowest:.1f} s"),
            len(told) == len(facts.streams) == expected,
        ),
    ]
