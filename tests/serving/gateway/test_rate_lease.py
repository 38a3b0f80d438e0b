"""Three gateways that share the limits of keys over one real PostgreSQL."""

import asyncio
import random
import time
from typing import Any

import pytest
from prometheus_client import Gauge
from pydantic import SecretStr

from serving.gateway.errors import RateLimited
from serving.gateway.key import Key
from serving.gateway.rate_lease import LeasedRateLimits
from serving.gateway.rate_limit import RateLimits, rate_limits
from serving.options import StoreSettings
from serving.store.address import Address
from tests.postgres import WAIT_SECONDS
from tests.serving.gateway.shared_limits import (  # noqa: F401 (fixtures)
    FAST,
    NOON,
    ask_store,
    attempt,
    fixture_gauge,
    fixture_store,
    gateway,
    key,
    opened,
    taken,
    until,
)

UNEVEN = (70, 20, 10)


async def ask(limits: RateLimits, asked: Key, count: int) -> int:
    """Send requests in groups of ten at once; return how many were let in."""
    admitted = 0
    for _ in range(count // 10):
        group = await asyncio.gather(*(attempt(limits, asked) for _ in range(10)))
        admitted += sum(charge is not None for charge in group)
        await asyncio.sleep(0.005)
    return admitted


@pytest.mark.parametrize("limit", [7, 60, 1000])
def test_uneven_demand_is_let_in_up_to_the_limit(store: Address, gauge: Gauge, limit: int) -> None:
    """70, 20 and 10 of a hundred come to three gateways, a fifth more than may."""

    async def run() -> list[int]:
        async with opened(store, gauge) as gateways:
            asked = key(requests_per_minute=limit)
            demand = [10 + limit * share * 12 // 1000 for share in UNEVEN]
            return await asyncio.gather(
                *(ask(one, asked, count) for one, count in zip(gateways, demand, strict=True))
            )

    admitted = asyncio.run(run())
    assert 0.9 * limit <= sum(admitted) <= limit, admitted


@pytest.mark.parametrize("limit", [100, 1000])
def test_demand_that_moves_to_another_gateway_is_let_in(
    store: Address, gauge: Gauge, limit: int
) -> None:
    """What a gateway holds and no longer needs does not stay with it."""

    async def run() -> list[int]:
        async with opened(store, gauge) as gateways:
            asked = key(requests_per_minute=limit)
            return [
                await ask(one, asked, limit * share // 100)
                for one, share in zip((*gateways, gateways[0]), (40, 40, 10, 30), strict=True)
            ]

    admitted = asyncio.run(run())
    assert 0.9 * limit <= sum(admitted) <= limit, admitted


def test_tokens_are_shared_with_what_requests_give_back(store: Address, gauge: Gauge) -> None:
    """At no time is more charged than may be; in the end nine tenths of it are used."""
    limit, charged, highest = 100_000, 0, 0

    async def client(one: LeasedRateLimits, seed: int) -> None:
        nonlocal charged, highest
        generator, refused = random.Random(seed), 0
        while refused < 15:
            expected = generator.randint(50, 2000)
            charge = await attempt(one, key(tokens_per_minute=limit), expected)
            if charge is None:
                refused += 1
                await asyncio.sleep(0.02)
                continue
            charged += expected
            highest = max(highest, charged)
            await asyncio.sleep(0.002)
            actual = generator.randint(0, expected)
            charge.settle(actual)
            charge.close()
            charged -= expected - actual

    async def run() -> None:
        async with opened(store, gauge) as gateways:
            crowd = [
                one for one, share in zip(gateways, (7, 2, 1), strict=True) for _ in range(share)
            ]
            await asyncio.gather(*(client(one, seed) for seed, one in enumerate(crowd)))

    asyncio.run(run())
    assert highest <= limit
    assert charged >= 0.9 * limit


def test_a_debt_is_paid_from_what_is_shared(store: Address, gauge: Gauge) -> None:
    """Tokens over those expected in one gateway are missing in the other ones."""

    async def run() -> None:
        async with opened(store, gauge, 2) as (first, second):
            asked = key(tokens_per_minute=1000)
            charge = await first.admit(asked, 10)
            charge.settle(700)
            await until(lambda: taken(store, "tokens") >= 700)
            assert await attempt(second, asked, 301) is None
            await asyncio.sleep(4 * FAST.tick_seconds)
            assert await attempt(second, asked, 300) is not None

    asyncio.run(run())


def test_more_than_the_whole_limit_goes_into_an_empty_minute(store: Address, gauge: Gauge) -> None:
    """Also where the minute is shared; and then nobody else has anything left in it."""

    async def run() -> None:
        async with opened(store, gauge, 2) as (first, second):
            asked = key(tokens_per_minute=1000)
            assert await attempt(first, asked, 2500) is not None
            assert await attempt(second, asked, 1) is None
            assert await attempt(second, asked, 2500) is None

    asyncio.run(run())


def test_slots_are_shared_and_go_where_they_are_wanted(store: Address, gauge: Gauge) -> None:
    """All are used, never one more, and none stays where it is not needed."""
    limit, running, highest = 30, 0, 0
    ended = [asyncio.Event() for _ in range(3)]

    async def client(one: LeasedRateLimits, end: asyncio.Event) -> None:
        nonlocal running, highest
        while not end.is_set():
            charge = await attempt(one, key(max_concurrent=limit))
            if charge is None:
                await asyncio.sleep(0.01)
                continue
            running += 1
            highest = max(highest, running)
            await end.wait()
            running -= 1
            charge.close()

    async def run() -> None:
        async with opened(store, gauge) as gateways, asyncio.TaskGroup() as clients:
            for one, share, end in zip(gateways, (40, 12, 6), ended, strict=True):
                for _ in range(share):
                    clients.create_task(client(one, end))
            await until(lambda: running == limit)
            for end, others in ((ended[0], 18), (ended[1], 6), (ended[2], 0)):
                end.set()
                await until(lambda others=others: running == others)

    asyncio.run(run())
    assert highest == limit


def test_short_requests_share_slots(store: Address, gauge: Gauge) -> None:
    """A slot that is free for a moment can be had by each gateway."""
    limit, running, highest = 3, 0, 0

    async def client(one: LeasedRateLimits, done: list[int], number: int) -> None:
        nonlocal running, highest
        give_up = time.monotonic() + WAIT_SECONDS
        while done[number] < 5:
            assert time.monotonic() < give_up
            charge = await attempt(one, key(max_concurrent=limit))
            if charge is not None:
                running += 1
                highest = max(highest, running)
                await asyncio.sleep(0.01)
                running -= 1
                charge.close()
                done[number] += 1
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with opened(store, gauge) as gateways:
            done = [0, 0, 0]
            await asyncio.gather(
                *(client(one, done, number) for number, one in enumerate(gateways) for _ in "abc")
            )

    asyncio.run(run())
    assert 1 < highest <= limit


def test_who_hangs_up_while_waiting_takes_nothing(store: Address, gauge: Gauge) -> None:
    """Its place and its tokens are free for the next one."""

    async def run() -> None:
        async with opened(store, gauge, 1) as (one,):
            asked = key(max_concurrent=1, tokens_per_minute=1000)
            for steps in range(12):
                waiting = asyncio.create_task(one.admit(asked, 1000))
                for _ in range(steps):
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises((asyncio.CancelledError, RateLimited)):
                    (await waiting).refund()
            await until(lambda: one.account(asked.id).running == 0)
            await until(lambda: taken(store, "tokens") == 0)
            await asyncio.sleep(2 * FAST.slot_retry_seconds)  # not asked for again at once
            assert await attempt(one, asked, 1000) is not None

    asyncio.run(run())


def test_past_minutes_are_deleted(store: Address, gauge: Gauge) -> None:
    """The tables do not grow."""
    now = [NOON]

    async def run() -> None:
        one = gateway(store, gauge, now=lambda: now[0])
        await one.open()
        for _ in range(6):
            assert await attempt(one, key(requests_per_minute=1)) is not None
            assert await attempt(one, key(requests_per_minute=1)) is None
            now[0] += 60
        await until(lambda: ask_store(store, "SELECT count(*) FROM lease_windows") <= 3)
        await one.close()

    asyncio.run(run())


def test_which_store_shares_limits(
    postgres_url: str, gauge: Gauge, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL does; a file, or none, is one gateway's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    shared = StoreSettings(url=SecretStr(postgres_url))
    alone = StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/keys.db"))
    assert type(rate_limits(shared, gauge)) is LeasedRateLimits
    assert type(rate_limits(alone, gauge)) is RateLimits
    assert type(rate_limits(StoreSettings(), gauge)) is RateLimits
